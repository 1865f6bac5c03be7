import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "bun:test";
import { type ScheduleStats, ScheduleStatsSchema } from "#proto/gen/reseolio/v1/daemon_service_pb.ts";
import { examineSchedules } from "../../../src/cli/doctor/examine-schedules.ts";
import { scheduleStatsJson, scheduleStatsText } from "../../../src/cli/views/schedule-stats-view.ts";

const now = Date.parse("2026-11-21T09:00:00Z");

function statsOf(inMs: number | null, active = 2, paused = 1): ScheduleStats {
  return create(ScheduleStatsSchema, {
    ...{ active, paused, overdueMs: BigInt(Math.max(0, -(inMs ?? 0))) },
    ...(inMs === null ? {} : { nextRunAt: timestampFromMs(now + inMs) }),
  });
}

test("schedules are told with their next tick, or that it is overdue", () => {
  expect(scheduleStatsText(statsOf(90_000), now)).toBe("2 active, 1 paused, next tick in 1m");
  expect(scheduleStatsText(statsOf(-90_000, 1, 0), now)).toBe("1 active, the next tick is overdue by 1m 30s");
  expect(scheduleStatsText(statsOf(null, 0, 3), now)).toBe("0 active, 3 paused");
  expect(scheduleStatsText(statsOf(null, 0, 0), now)).toBeUndefined();
  expect(scheduleStatsText(undefined, now)).toBeUndefined();
});

test("the doctor finds overdue ticks, but not those of a busy moment", () => {
  expect(examineSchedules(statsOf(-4_999), now)).toMatchObject({ ok: true });
  expect(examineSchedules(statsOf(-5_000), now)).toMatchObject({ ok: false, message: "a tick is overdue by 5s" });
  expect(examineSchedules(undefined, now)).toMatchObject({ ok: true, message: "none" });
});

test("programs get all of it, also from a daemon that tells nothing", () => {
  const nextRunAt = new Date(now + 90_000).toISOString();
  expect(scheduleStatsJson(statsOf(90_000))).toEqual({ active: 2, paused: 1, nextRunAt, overdueMs: 0 });
  expect(scheduleStatsJson(undefined)).toEqual({ active: 0, paused: 0, nextRunAt: null, overdueMs: 0 });
});
