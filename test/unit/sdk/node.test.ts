/** The SDK on Node, against the real daemon. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { checkout } from "../../support/executable.ts";
import { runCommand, runOrThrow } from "../../support/run-command.ts";
import { spawnDaemon } from "../../support/spawn-daemon.ts";
import { tempDir } from "../../support/temp-dir.ts";

const program = `
import { context, Reseolio, TerminalError } from ${JSON.stringify(join(checkout, "src/sdk/index.ts"))};
const reseolio = new Reseolio({ address: process.argv[2], autoStart: false, workerConcurrency: 4 });
await reseolio.start();
const add = reseolio.durable("node:add", async (a: number, b: number) => {
  await new Promise((resolve) => setTimeout(resolve, 1));
  return { sum: a + b, inside: context().jobId };
});
const fail = reseolio.durable("node:fail", () => { throw new TerminalError("no"); });
const handles = await Promise.all(Array.from({ length: 200 }, (_, index) => add(index, 1)));
const sums = await Promise.all(handles.map((handle) => handle.result(20_000)));
const right = sums.every((result, index) => result.sum === index + 1 && result.inside === handles[index]?.jobId);
const failure = await fail().then((handle) => handle.result(20_000)).catch((error) => error);
await reseolio.stop();
console.log(JSON.stringify({ right, runtime: process.versions.bun ?? "node", code: failure.code, cause: failure.cause.name }));
`;

test("runs on Node: calls, handlers, context across awaits, failures; and nothing keeps the process alive", async () => {
  await using dir = await tempDir("reseolio-node-");
  await using daemon = await spawnDaemon();
  await Bun.write(dir.file("program.ts"), program);
  const build = [
    process.execPath,
    "build",
    "--target",
    "node",
    dir.file("program.ts"),
    "--outfile",
    dir.file("program.mjs"),
  ];
  await runOrThrow(build, { cwd: checkout });
  const { stdout, stderr, exitCode, durationMs } = await runCommand(["node", dir.file("program.mjs"), daemon.address], {
    timeoutMs: 30_000,
  });
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(JSON.parse(stdout)).toEqual({ right: true, runtime: "node", code: "job_failed", cause: "TerminalError" });
  expect(durationMs).toBeLessThan(20_000);
});
