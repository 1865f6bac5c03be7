import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type ChildCommand, runChild } from "../../../src/cli/programs/child-command.ts";
import { tempDir } from "../../support/temp-dir.ts";

const never = new AbortController().signal;

function child(command: readonly string[], changes: Partial<ChildCommand> = {}): ChildCommand {
  return {
    command,
    args: `["hello"]`,
    jobId: "019aa6cf-8e4b-7d2a-8000-000000000001",
    functionName: "demo:shell:upper",
    attempt: 2,
    env: { PATH: process.env["PATH"], RESEOLIO_TOKEN: "canary", RESEOLIO_ARGS: "[0]" },
    signal: never,
    killAfterMs: () => 5_000,
    killNow: never,
    onStderr: () => {},
    ...changes,
  };
}

function shell(script: string, changes: Partial<ChildCommand> = {}): ChildCommand {
  return child(["sh", "-c", script], changes);
}

/** Resolves when the command printed this on stderr. */
function said(text: string): { readonly onStderr: (piece: string) => void; readonly when: Promise<void> } {
  const seen = Promise.withResolvers<void>();
  let all = "";
  return {
    onStderr: (piece) => {
      all += piece;
      if (all.includes(text)) seen.resolve();
    },
    when: seen.promise,
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("a command as a function", () => {
  test("reads the arguments on stdin; stdout that is JSON is the result", async () => {
    expect(await runChild(child(["tr", "a-z", "A-Z"]))).toEqual({ kind: "success", result: ["HELLO"] });
  });

  test("stdout that is no JSON is a text without its last newline only", async () => {
    expect(await runChild(shell(`printf 'two\\n\\n'`))).toEqual({ kind: "success", result: "two\n" });
    expect(await runChild(shell("true"))).toEqual({ kind: "success", result: "" });
  });

  test("knows which job it is, and never the token", async () => {
    const outcome = await runChild(
      shell(`echo "$RESEOLIO_JOB_ID $RESEOLIO_FUNCTION $RESEOLIO_ATTEMPT $RESEOLIO_ARGS [$RESEOLIO_TOKEN]"`),
    );
    const result = `019aa6cf-8e4b-7d2a-8000-000000000001 demo:shell:upper 2 ["hello"] []`;
    expect(outcome).toEqual({ kind: "success", result });
  });

  test("knows the tick that it is for, and none of an outer job", async () => {
    const script = `printf %s "[$RESEOLIO_SCHEDULED_AT]"`;
    const outer = { ...process.env, RESEOLIO_SCHEDULED_AT: "2020-01-01T00:00:00.000Z" };
    expect(await runChild(shell(`${script} | sed 's/[][]/|/g'`, { env: outer }))).toMatchObject({ result: "||" });
    const scheduledAt = new Date("2026-11-21T08:00:00Z");
    const outcome = await runChild(shell(`${script} | sed 's/[][]/|/g'`, { env: outer, scheduledAt }));
    expect(outcome).toMatchObject({ result: "|2026-11-21T08:00:00.000Z|" });
  });

  test("arguments too large for an environment come on stdin alone", async () => {
    const args = JSON.stringify(["x".repeat(200_000)]);
    const outcome = await runChild(shell(`echo "[$RESEOLIO_ARGS]" >&2; wc -c`, { args }));
    expect(outcome).toEqual({ kind: "success", result: args.length });
  });

  test("a command that does not read its stdin is no failure", async () => {
    const args = JSON.stringify(["x".repeat(900_000)]);
    expect(await runChild(shell("exec 0<&-; echo 1", { args }))).toEqual({ kind: "success", result: 1 });
  });

  test("is not given to a shell", async () => {
    expect(await runChild(child(["echo", "$HOME; exit 3"]))).toEqual({ kind: "success", result: "$HOME; exit 3" });
  });
});

describe("a command that fails", () => {
  test("tells its exit code and the end of its stderr", async () => {
    let heard = "";
    const onStderr = (text: string): void => {
      heard += text;
    };
    const outcome = await runChild(shell(`echo "disk is full" >&2; exit 3`, { onStderr }));
    expect(outcome).toEqual({ kind: "failure", message: "sh exited with code 3: disk is full" });
    expect(heard).toBe("disk is full\n");
  });

  test("keeps only the last 4 KiB of stderr", async () => {
    const outcome = await runChild(shell(`yes line | head -n 5000 >&2; echo last >&2; exit 1`));
    if (outcome.kind !== "failure") throw new Error("it succeeded");
    expect(outcome.message).toEndWith("line\nlast");
    expect(outcome.message.length).toBeLessThan(4_300);
  });

  test("exit code 75 requested another attempt", async () => {
    expect(await runChild(shell("exit 75"))).toEqual({ kind: "retry_later", message: "sh exited with code 75" });
  });

  test("a signal is named", async () => {
    expect(await runChild(shell("kill -KILL $$"))).toEqual({
      kind: "failure",
      message: "sh was killed by SIGKILL",
    });
  });

  test("a program that is not there is a failure, not a crash", async () => {
    const outcome = await runChild(child(["no-such-program-here"]));
    expect(outcome.kind).toBe("failure");
    expect(outcome).toMatchObject({ message: expect.stringContaining("no-such-program-here cannot be started") });
  });

  test("more than 1 MiB on stdout ends it at once", async () => {
    const outcome = await runChild(child(["yes"]));
    expect(outcome).toMatchObject({ kind: "failure", message: expect.stringContaining("more than 1048576 bytes") });
  });

  test("exactly 1 MiB is fine", async () => {
    const outcome = await runChild(shell("head -c 1048576 /dev/zero | tr '\\0' x"));
    expect(outcome).toEqual({ kind: "success", result: "x".repeat(1_048_576) });
  });

  test("bytes that are not UTF-8 are a failure instead of a damaged result", async () => {
    expect(await runChild(shell(`printf '\\377\\376'`))).toMatchObject({
      kind: "failure",
      message: expect.stringContaining("not UTF-8"),
    });
  });
});

describe("a command that is stopped", () => {
  test("P10 gets SIGTERM and may clean up", async () => {
    const stop = new AbortController();
    const ready = said("ready");
    const script = `trap 'echo cleaned; exit 0' TERM; echo ready >&2; while :; do sleep 0.02; done`;
    const running = runChild(shell(script, { signal: stop.signal, onStderr: ready.onStderr }));
    await ready.when;
    stop.abort();
    expect(await running).toEqual({ kind: "success", result: "cleaned" });
  });

  test("P10 gets SIGKILL when it ignores SIGTERM, with all that it started", async () => {
    await using dir = await tempDir();
    const stop = new AbortController();
    const ready = said("ready");
    const script = `trap '' TERM; sleep 60 & echo $! > ${dir.file("pid")}; echo ready >&2; wait; wait; sleep 60`;
    const running = runChild(shell(script, { signal: stop.signal, onStderr: ready.onStderr, killAfterMs: () => 50 }));
    await ready.when;
    const grandchild = Number(readFileSync(dir.file("pid"), "utf8"));
    expect(isAlive(grandchild)).toBe(true);
    stop.abort();
    expect(await running).toMatchObject({ kind: "failure", message: "sh was killed by SIGKILL: ready" });
    await gone(grandchild);
  });

  test("P17 a second signal does not wait", async () => {
    const kill = new AbortController();
    const ready = said("ready");
    const running = runChild(
      shell(`trap '' TERM; echo ready >&2; sleep 60`, { killNow: kill.signal, onStderr: ready.onStderr }),
    );
    await ready.when;
    kill.abort();
    expect(await running).toMatchObject({ kind: "failure" });
  });

  test("an attempt that was over before it began starts nothing that stays", async () => {
    const stop = new AbortController();
    stop.abort();
    expect(await runChild(child(["sleep", "60"], { signal: stop.signal }))).toMatchObject({
      kind: "failure",
      message: "sleep was killed by SIGTERM",
    });
  });
});

/** Resolves when a process is gone; a zombie that nobody reaped yet counts as gone. */
async function gone(pid: number): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (isAlive(pid) && !/^State:\s+Z/m.test(statusOf(pid))) {
    if (performance.now() > deadline) throw new Error(`process ${pid} is still there`);
    await Bun.sleep(5);
  }
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "State: Z";
  }
}
