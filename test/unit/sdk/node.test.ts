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
const flow = reseolio.durable("node:flow", async () => {
  const { step, sleepFor, awaitEvent, awaitAny, now, uuid } = context();
  const at = await now();
  const one = await step("one", ({ attempt }) => attempt);
  await sleepFor("nap", 20);
  const child = await (await add(one, 1)).result();
  const heard = await awaitEvent<string>("node:event", { timeoutMs: 10_000 });
  const first = await awaitAny("first", [{ event: "node:never" }, { sleepFor: 20 }]);
  await step("throws", () => Promise.reject(new Error("caught"))).catch(() => {});
  return [at instanceof Date, one, child.sum, heard, first.index, uuid().length];
}, { timeoutMs: 5_000 });
const flows = await Promise.all(Array.from({ length: 20 }, () => flow()));
await reseolio.emitEvent("node:event", "heard");
const flowed = await Promise.all(flows.map((handle) => handle.result(20_000)));
const failure = await fail().then((handle) => handle.result(20_000)).catch((error) => error);
await reseolio.stop();
console.log(JSON.stringify({ right, flowed, runtime: process.versions.bun ?? "node", code: failure.code, cause: failure.cause.name }));
`;

test("runs on Node: calls, handlers, context across awaits, failures, workflows; and nothing keeps the process alive", async () => {
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
  const flowed = Array.from({ length: 20 }, () => [true, 1, 2, "heard", 1, 36]);
  expect(JSON.parse(stdout)).toEqual({
    right: true,
    flowed,
    runtime: "node",
    code: "job_failed",
    cause: "TerminalError",
  });
  expect(durationMs).toBeLessThan(20_000);
});
