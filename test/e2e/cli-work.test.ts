/** Commands as handlers: what `reseolio work` makes of their ends, and how it stops. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { freePort } from "../support/free-port.ts";
import { pollFor, shellOfFile } from "../support/shell.ts";
import { spawnDaemon } from "../support/spawn-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const { cli, ok, start, startWork } = shellOfFile();

describe("work", () => {
  test("exit code 75 requested another attempt, --retry-after says when", async () => {
    await using dir = await tempDir();
    const script = `test -e ${dir.file("there")} && exec echo '"second"'; touch ${dir.file("there")}; exit 75`;
    const worker = await startWork("work:later", ["sh", "-c", script], ["--retry-after", "50ms"]);
    try {
      expect(await ok(["jobs", "enqueue", "work:later", "--initial-delay", "1h", "--max-delay", "1h", "--wait"])).toBe(
        '"second"',
      );
      await worker.said("requested another attempt");
    } finally {
      worker.kill();
    }
  });

  test("every digit of the arguments reaches the command, and every digit of its result the caller", async () => {
    const worker = await startWork("work:digits", ["cat"]);
    try {
      const args = '[12345678901234567890,{"id":9007199254740993},1e400]';
      expect(await ok(["jobs", "enqueue", "work:digits", "--args", args, "--wait"])).toBe(args);
    } finally {
      worker.kill();
    }
  });

  test("P10 a cancelled job's command is told to stop", async () => {
    const worker = await startWork("work:cancel", [
      "sh",
      "-c",
      "trap 'echo got it >&2; exit 1' TERM; echo up >&2; while :; do sleep 0.02; done",
    ]);
    try {
      const id = await ok(["jobs", "enqueue", "work:cancel"]);
      await worker.said(`${id.slice(0, 18)} | up`);
      await ok(["jobs", "cancel", id]);
      await worker.said(`${id.slice(0, 18)} | got it`);
      expect(JSON.parse(await ok(["jobs", "get", id, "--json"]))).toMatchObject({ state: "CANCELLED" });
    } finally {
      worker.kill();
    }
  });

  test("P9 an attempt past its time is stopped and counted", async () => {
    const worker = await startWork("work:slow", ["sleep", "60"]);
    try {
      const { exitCode, stderr } = await cli([
        ...["jobs", "enqueue", "work:slow", "--timeout", "200ms", "--max-attempts", "1", "--wait"],
      ]);
      expect(exitCode).toBe(7);
      expect(stderr).toContain("TimeoutError");
    } finally {
      worker.kill();
    }
  });

  test("P17 SIGTERM hands back what does not end in the grace, exits 0, and leaves no command behind", async () => {
    await using dir = await tempDir();
    const script = `trap '' TERM; echo $$ > ${dir.file("pid")}; echo up >&2; while :; do sleep 0.02; done`;
    const worker = await startWork("work:drain", ["sh", "-c", script], ["--grace", "50ms"]);
    const id = await ok(["jobs", "enqueue", "work:drain"]);
    await worker.said("| up");
    worker.child.kill("SIGTERM");
    expect(await worker.exited).toBe(0);
    expect(JSON.parse(await ok(["jobs", "get", id, "--json"]))).toMatchObject({
      state: "PENDING",
      failures: 0,
      losses: 0,
    });
    expect(isAlive(Number(readFileSync(dir.file("pid"), "utf8")))).toBe(false);
  });

  test("P17 a command that ends within the grace is settled", async () => {
    const worker = await startWork("work:finish", ["sh", "-c", "echo up >&2; sleep 0.3; echo '\"done\"'"]);
    const id = await ok(["jobs", "enqueue", "work:finish"]);
    await worker.said("| up");
    worker.child.kill("SIGINT");
    expect(await worker.exited).toBe(0);
    expect(await ok(["jobs", "result", id])).toBe('"done"');
  });

  test("P17 a second signal stops at once", async () => {
    await using dir = await tempDir();
    const script = `echo $$ > ${dir.file("pid")}; echo up >&2; trap '' TERM; while :; do sleep 0.05; done`;
    const worker = await startWork("work:twice", ["sh", "-c", script]);
    await ok(["jobs", "enqueue", "work:twice"]);
    await worker.said("| up");
    worker.child.kill("SIGTERM");
    await worker.said("stopping");
    worker.child.kill("SIGTERM");
    expect(await worker.exited).toBe(143);
    await pollFor(() => Promise.resolve(isAlive(Number(readFileSync(dir.file("pid"), "utf8"))) ? "" : "gone"));
  });

  test("a worker goes on with the next daemon", async () => {
    await using own = await spawnDaemon();
    const env = { RESEOLIO_ADDR: own.address };
    const worker = start(["work", "work:again", "--", "tr", "a-z", "A-Z"], env);
    try {
      await worker.said("serving ");
      await own.restart();
      await worker.said("reconnected to the daemon");
      expect(await ok(["jobs", "enqueue", "work:again", "--args", '["b"]', "--wait"], { env })).toBe('["B"]');
    } finally {
      worker.kill();
      await worker.exited;
    }
  });

  test("a program that is not there, no program and no name exit 2 before any connection", async () => {
    const address = `127.0.0.1:${await freePort()}`;
    for (const args of [["a:b", "--", "no-such-program"], ["a:b", "--"], ["a:b"], []]) {
      expect((await cli(["work", ...args, ...(args.includes("--") ? [] : ["--addr", address])])).exitCode).toBe(2);
    }
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // One that waits to be reaped is dead.
  return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}
