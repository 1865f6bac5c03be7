import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { run } from "../../../scripts/run.ts";
import { checkout } from "../../support/executable.ts";
import { tempDir } from "../../support/temp-dir.ts";

test("a program's exit code and both its outputs come back", async () => {
  const result = await run(["sh", "-c", "echo out; echo err >&2; exit 3"], { cwd: checkout });
  expect(result.exitCode).toBe(3);
  expect(result.output).toContain("out\n");
  expect(result.output).toContain("err\n");
});

test("a program that cannot start is a result that names it", async () => {
  const result = await run(["no-such-program"], { cwd: checkout });
  expect(result.exitCode).toBeNull();
  expect(result.output).toContain("no-such-program");
});

test("a program that takes too long is killed with all that it started", async () => {
  await using dir = await tempDir();
  const script = `sleep 60 & echo $! > ${dir.file("child")}; wait`;
  const startedAt = performance.now();
  const result = await run(["sh", "-c", script], { cwd: dir.path, timeoutMs: 300 });
  expect(result.exitCode).toBeNull();
  expect(result.output).toContain("timed out after 0.3 s");
  expect(performance.now() - startedAt).toBeLessThan(10_000);
  await expectGone(readFileSync(dir.file("child"), "utf8").trim());
});

test("a program that leaves a child behind ends all the same", async () => {
  await using dir = await tempDir();
  const startedAt = performance.now();
  const result = await run(["sh", "-c", `sleep 60 & echo $! > ${dir.file("child")}`], { cwd: dir.path });
  expect(result.exitCode).toBe(0);
  expect(performance.now() - startedAt).toBeLessThan(10_000);
  process.kill(Number(readFileSync(dir.file("child"), "utf8")), "SIGKILL");
});

/** A killed process is gone, or a zombie until whoever inherits it looks. */
async function expectGone(pid: string): Promise<void> {
  const deadline = Date.now() + 5_000;
  const alive = (): boolean =>
    existsSync(`/proc/${pid}/stat`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  while (alive() && Date.now() < deadline) await Bun.sleep(10);
  expect(alive()).toBe(false);
}
