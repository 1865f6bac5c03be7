import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "bun:test";
import { JobState } from "../../proto/gen/reseolio/v1/job_pb.ts";
import {
  CatchUp,
  Overlap,
  type Schedule,
  ScheduleSchema,
  ScheduleState,
  TickSchema,
} from "../../proto/gen/reseolio/v1/schedule_service_pb.ts";
import { showTicks } from "../../src/cli/calls/show-ticks.ts";
import { onePage } from "../../src/cli/terminal/one-page.ts";
import { type FormatFlags, Output } from "../../src/cli/terminal/output.ts";
import { SCHEDULE_LISTING, scheduleJson, scheduleRecord } from "../../src/cli/views/schedule-view.ts";
import { expectGolden } from "./golden.ts";
import { linesOver80, Recorder } from "./recorder.ts";

const at = (iso: string) => timestampFromDate(new Date(iso));

const report: Schedule = create(ScheduleSchema, {
  scheduleId: "019aa6cf-8e4b-7d2a-8000-000000000011",
  name: "daily-report",
  state: ScheduleState.ACTIVE,
  spec: {
    cron: "0 8 * * *",
    timeZone: "America/New_York",
    functionName: "report:build",
    args: new TextEncoder().encode(`["eu", 12345678901234567890]`),
    options: {
      ...{ maxAttempts: 5, backoff: 3, initialDelayMs: 1000, maxDelayMs: 60000, jitter: 0.1, timeoutMs: 30000 },
      ...{ priority: 0, headers: { team: "a" }, finishWithinMs: 3_600_000n },
    },
    catchUp: CatchUp.ALL,
    maxCatchUp: 7,
    overlap: Overlap.SKIP,
    jitterMs: 30_000,
    startAt: at("2026-11-01T00:00:00Z"),
    endAt: at("2027-01-01T00:00:00Z"),
  },
  createdAt: at("2026-10-31T09:00:00Z"),
  updatedAt: at("2026-11-20T09:00:00Z"),
  nextRunAt: at("2026-11-21T13:00:00Z"),
  lastRunAt: at("2026-11-20T13:00:00Z"),
  lastJobId: "019aa6cf-8e4b-7d2a-8000-000000000012",
  lastJobState: JobState.DEAD,
  lastJobError: { name: "Error", message: "no paper\u001b[2J", stack: "Error: no paper", reason: "handler" },
  skipped: 2n,
});

const fresh: Schedule = create(ScheduleSchema, {
  scheduleId: "019aa6cf-8e4b-7d2a-8000-000000000013",
  name: "warm",
  state: ScheduleState.PAUSED,
  spec: { cron: "*/10 * * * * *", timeZone: "UTC", functionName: "cache:warm" },
  createdAt: at("2026-11-21T09:00:00Z"),
  updatedAt: at("2026-11-21T09:00:00Z"),
});

// Berlin's spring of 2027: 02:30 does not exist on March 28.
const ticks = [
  { at: at("2027-03-27T01:30:00Z"), localTime: "2027-03-27T02:30:00+01:00" },
  { at: at("2027-03-28T01:00:00Z"), localTime: "2027-03-28T03:00:00+02:00", offsetChanged: true, inGap: true },
  { at: at("2027-03-29T00:30:00Z"), localTime: "2027-03-29T02:30:00+02:00" },
].map((tick) => create(TickSchema, tick));

const now = Date.parse("2026-11-21T09:05:00Z");

function open(flags: FormatFlags, stdout: Recorder): Output {
  return new Output(stdout, flags, { NO_COLOR: "1" }, () => now);
}

async function listed(flags: FormatFlags, stdout = new Recorder()): Promise<string> {
  await open(flags, stdout).list(onePage([report, fresh]), SCHEDULE_LISTING);
  return stdout.text;
}

async function shown(flags: FormatFlags, stdout = new Recorder()): Promise<string> {
  await open(flags, stdout).record(scheduleRecord(report, now));
  return stdout.text;
}

async function previewed(flags: FormatFlags, stdout = new Recorder()): Promise<string> {
  await showTicks(open(flags, stdout), ticks, "Europe/Berlin");
  return stdout.text;
}

describe("schedules for programs", () => {
  test("a schedule as JSON and as lines", async () => {
    expectGolden("json/schedule.json", await shown({ json: true }));
    expectGolden("json/schedule.tsv", await shown({}));
  });

  test("has the same keys whatever is set", () => {
    expect(Object.keys(scheduleJson(fresh))).toEqual(Object.keys(scheduleJson(report)));
    expect(scheduleJson(fresh)).toMatchObject({ args: [], catchUp: "latest", overlap: "allow", lastJob: null });
  });

  test("a list as JSON, in a pipe, and as names", async () => {
    expectGolden("json/schedules.json", await listed({ json: true }));
    expectGolden("json/schedules.tsv", await listed({}));
    expect(await listed({ quiet: true })).toBe("daily-report\nwarm\n");
  });

  test("ticks in a pipe and as JSON", async () => {
    expectGolden("json/ticks.tsv", await previewed({}));
    expectGolden("json/ticks.json", await previewed({ json: true }));
  });
});

describe("schedules for people", () => {
  test("everything about a schedule, without control characters", async () => {
    const text = await shown({}, new Recorder(true));
    expectGolden("json/schedule.record.txt", text);
    expect(text).not.toContain("\u001b");
  });

  test("a table of schedules", async () => {
    expectGolden("json/schedules.table.txt", await listed({}, new Recorder(true)));
  });

  test("tables fit into 80 columns", async () => {
    const schedules = await listed({}, new Recorder(true, 80));
    const shownTicks = await previewed({}, new Recorder(true, 80));
    expectGolden("json/schedules.80.txt", schedules);
    expectGolden("json/ticks.80.txt", shownTicks);
    expect(linesOver80(schedules + shownTicks)).toEqual([]);
  });

  test("a table of ticks says what clocks do", async () => {
    expectGolden("json/ticks.table.txt", await previewed({}, new Recorder(true)));
  });
});
