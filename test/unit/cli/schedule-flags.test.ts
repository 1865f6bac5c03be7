import { describe, expect, test } from "bun:test";
import { withFlagNames, withFlags } from "../../../src/cli/calls/schedule-faults.ts";
import { schedulesCreate } from "../../../src/cli/commands/schedules-create.ts";
import { CliError } from "../../../src/cli/exit.ts";
import { scanWords } from "../../../src/cli/flags/scan-words.ts";
import { checkScheduleName, readRule, readSchedule, SCHEDULE_FLAGS } from "../../../src/cli/flags/schedule-flags.ts";
import { openMessages } from "../../../src/cli/terminal/messages.ts";

const messages = openMessages({ write: () => true }, {}, false);

function read(words: readonly string[]): ReturnType<typeof readSchedule> {
  const { flags } = scanWords(words, schedulesCreate);
  // The scanner fills flags from the command's own declaration.
  return readSchedule(flags as Parameters<typeof readSchedule>[0], messages);
}

async function fault(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (error instanceof CliError && error.exitCode === 2) return `${error.message}\n${error.hint ?? ""}`;
    throw error;
  }
  throw new Error("it was accepted");
}

describe("a schedule as flags", () => {
  test("an absent flag is an absent field: the daemon's default holds", async () => {
    expect(await read([])).toEqual({});
  });

  test("every flag is read", async () => {
    const words = [
      ...["-f", "t:run", "--cron", "0 8 * * *", "--tz", "Asia/Tokyo", "--start-at", "2026-01-01T00:00:00Z"],
      ...["--end-at", "2027-01-01T00:00:00Z", "--args", "[1]", "--catch-up", "all", "--max-catch-up", "7"],
      ...["--overlap", "skip", "--jitter", "0", "--max-attempts", "5", "--retry-jitter", "0", "--header", "a=b"],
      ...["--backoff", "fixed", "--initial-delay", "1s", "--max-delay", "2s", "--timeout", "0", "--priority", "-1"],
      ...["--start-within", "1h", "--finish-within", "2h"],
    ];
    const given = words.filter((word) => word.startsWith("--")).map((word) => word.slice(2));
    expect(Object.keys(SCHEDULE_FLAGS).filter((name) => !given.includes(name))).toEqual(["function"]);
    expect(await read(words)).toEqual({
      functionName: "t:run",
      cron: "0 8 * * *",
      timeZone: "Asia/Tokyo",
      startAt: { seconds: 1767225600n, nanos: 0 },
      endAt: { seconds: 1798761600n, nanos: 0 },
      args: new TextEncoder().encode("[1]"),
      catchUp: 3,
      maxCatchUp: 7,
      overlap: 2,
      jitterMs: 0,
      options: {
        maxAttempts: 5,
        jitter: 0,
        headers: { a: "b" },
        backoff: 1,
        initialDelayMs: 1_000,
        maxDelayMs: 2_000,
        timeoutMs: 0,
        priority: -1,
        startWithinMs: 3_600_000n,
        finishWithinMs: 7_200_000n,
      },
    });
  });

  test.each([
    [["--cron", ""], "--cron is empty", "0 8 * * 1-5"],
    [["--tz", " "], "--tz is empty", "America/New_York"],
    [["--jitter", "0.1"], "the unit is missing", "500ms"],
    [["--jitter", "60d"], "--jitter 60d is too long", ""],
    [["--retry-jitter", "2"], 'invalid value for --retry-jitter: "2"', "from 0 to 1"],
    [["--max-catch-up", "0"], 'invalid value for --max-catch-up: "0"', "from 1 to 10000"],
    [["--end-at", "soon"], 'invalid value for --end-at: "soon"', "ISO 8601 time"],
    [["--delay", "1s"], "unknown flag --delay", ""],
    [["--idempotency-key", "k"], "unknown flag --idempotency-key", ""],
  ])("%p is refused with its flag and what is right", async (words, message, hint) => {
    const said = await fault(() => read(words));
    expect(said).toContain(message);
    expect(said).toContain(hint);
  });

  test("faults of the daemon are told by the names of flags", () => {
    const said = 'spec.cron: "x": wrong; spec.time_zone: "Mars" is none; spec.options.max_attempts: is 0';
    expect(withFlags(said)).toBe('--cron: "x": wrong; --tz: "Mars" is none; --max-attempts: is 0');
    expect(withFlags("spec.jitter_ms: is -1; spec.options.jitter: is 2")).toBe("--jitter: is -1; --retry-jitter: is 2");
    expect(withFlags("spec.end_at: is before the first tick")).toBe("--end-at: is before the first tick");
    expect(withFlags("clear_fields[0]: is wrong")).toBe("clear_fields[0]: is wrong");
  });

  test.each([
    ["America/Newyork", "did you mean America/New_York?"],
    ["new york", "did you mean America/New_York?"],
    ["Berlin", "did you mean Europe/Berlin?"],
    ["Mars/Olympus", undefined],
  ])("the zone %p is wrong, and perhaps another was meant", async (zone, hint) => {
    const refused = Promise.reject(new CliError("usage", `spec.time_zone: "${zone}" is no IANA time zone`));
    const fault: unknown = await withFlagNames(refused).catch((error: unknown) => error);
    expect(fault).toMatchObject({ message: `--tz: "${zone}" is no IANA time zone`, hint });
  });

  test("names are 1 to 256 bytes", async () => {
    expect(checkScheduleName("daily report")).toBe("daily report");
    expect(await fault(() => checkScheduleName(" "))).toContain("is empty");
    expect(await fault(() => checkScheduleName("é".repeat(129)))).toContain("is 258 bytes long");
  });

  test("a rule alone is what was given of it", () => {
    const none = { cron: undefined, tz: undefined, "start-at": undefined, "end-at": undefined };
    expect(readRule({ ...none, tz: "UTC" })).toEqual({ timeZone: "UTC" });
  });
});
