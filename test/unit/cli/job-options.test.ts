import { describe, expect, test } from "bun:test";
import { CliError } from "../../../src/cli/exit.ts";
import { optionsAsFlags, readJobOptions } from "../../../src/cli/flags/job-options.ts";

function read(flags: Readonly<Record<string, unknown>>): ReturnType<typeof readJobOptions> {
  return readJobOptions({ ...optionsAsFlags({}), ...flags });
}

function fault(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof CliError && error.exitCode === 2) return error.message;
    throw error;
  }
  throw new Error("it was accepted");
}

describe("options of a job as flags", () => {
  test("an absent flag is an absent option: the daemon's default holds", () => {
    expect(read({})).toEqual({ headers: {} });
  });

  test("0 is 0, not absent", () => {
    expect(read({ jitter: "0", timeout: "0", priority: "0", delay: "0" })).toEqual({
      jitter: 0,
      timeoutMs: 0,
      priority: 0,
      delayMs: 0n,
      headers: {},
    });
  });

  test("every flag is read", () => {
    expect(
      read({
        "max-attempts": "5",
        backoff: "fixed",
        "initial-delay": "500ms",
        "max-delay": "10m",
        jitter: ".25",
        timeout: "1h30m",
        "run-at": "2026-11-21T09:00:00.5Z",
        priority: "-7",
        "start-within": "1d",
        "finish-within": "2d",
        "idempotency-key": "k",
        "on-duplicate": "replace-finished",
        header: ["a=b=c", "d="],
      }),
    ).toEqual({
      maxAttempts: 5,
      backoff: 1,
      initialDelayMs: 500,
      maxDelayMs: 600_000,
      jitter: 0.25,
      timeoutMs: 5_400_000,
      runAt: { seconds: 1_795_251_600n, nanos: 500_000_000 },
      priority: -7,
      startWithinMs: 86_400_000n,
      finishWithinMs: 172_800_000n,
      idempotencyKey: "k",
      onDuplicate: 3,
      headers: { a: "b=c", d: "" },
    });
  });

  test.each([
    [{ "max-attempts": "0" }, 'invalid value for --max-attempts: "0"'],
    [{ "max-attempts": "2.5" }, 'invalid value for --max-attempts: "2.5"'],
    [{ "max-attempts": "1e3" }, 'invalid value for --max-attempts: "1e3"'],
    [{ jitter: "1.1" }, 'invalid value for --jitter: "1.1"'],
    [{ jitter: "NaN" }, 'invalid value for --jitter: "NaN"'],
    [{ timeout: "-5s" }, 'invalid value for --timeout: "-5s"'],
    [{ timeout: "30" }, 'invalid value for --timeout: "30"; the unit is missing'],
    [{ timeout: "50d" }, "--timeout 50d is too long"],
    [{ "run-at": "soon" }, 'invalid value for --run-at: "soon"'],
    [{ delay: "1s", "run-at": "2026-11-21T09:00Z" }, "use either --delay or --run-at, not both"],
    [{ "start-within": "0" }, "--start-within is 0"],
    [{ "idempotency-key": "" }, "--idempotency-key is empty"],
    [{ header: ["novalue"] }, 'invalid value for --header: "novalue"'],
    [{ header: ["=x"] }, 'invalid value for --header: "=x"'],
  ])("%j is refused", (flags, message) => {
    expect(fault(() => read(flags))).toContain(message);
  });
});

describe("options of a line", () => {
  const line = (options: Readonly<Record<string, unknown>>): ReturnType<typeof readJobOptions> =>
    readJobOptions(optionsAsFlags(options));

  test("have the SDK's names and units, and are read by the same rules", () => {
    expect(
      line({
        maxAttempts: 5,
        initialDelayMs: 500,
        timeoutMs: 0,
        delayMs: 1000,
        onDuplicate: "replace_finished",
        headers: { a: "b" },
      }),
    ).toEqual({
      maxAttempts: 5,
      initialDelayMs: 500,
      timeoutMs: 0,
      delayMs: 1000n,
      onDuplicate: 3,
      headers: { a: "b" },
    });
  });

  test.each([
    [{ maxAtempts: 5 }, `unknown option "maxAtempts"; did you mean maxAttempts?`],
    [{ constructor: 5 }, `unknown option "constructor"`],
    [{ maxAttempts: 0 }, 'invalid value for --max-attempts: "0"'],
    [{ maxAttempts: null }, "invalid options.maxAttempts: null"],
    [{ timeoutMs: -1 }, "invalid options.timeoutMs: -1"],
    [{ backoff: "cubic" }, 'invalid options.backoff: "cubic"'],
    [{ onDuplicate: "explode" }, 'invalid options.onDuplicate: "explode"'],
    [{ headers: ["a"] }, 'invalid options.headers: ["a"]'],
  ])("%j is refused", (options, message) => {
    expect(fault(() => line(options))).toContain(message);
  });
});
