/** Statistics about all schedules, for status and doctor. */
import type { ScheduleStats } from "#proto/gen/reseolio/v1/daemon_service_pb.ts";
import { formatDuration } from "../text/duration.ts";
import { relativeTime } from "../text/instant.ts";
import { fromTimestamp, isoTime } from "../text/timestamps.ts";

/** A tick that is later than this is not explained by load alone. */
const OVERDUE_MS = 5_000;

export function scheduleStatsJson(stats: ScheduleStats | undefined): Record<string, unknown> {
  return {
    active: stats?.active ?? 0,
    paused: stats?.paused ?? 0,
    nextRunAt: isoTime(stats?.nextRunAt),
    overdueMs: Number(stats?.overdueMs ?? 0n),
  };
}

/** Text for a terminal; undefined if there are no schedules. */
export function scheduleStatsText(stats: ScheduleStats | undefined, now: number): string | undefined {
  if (stats === undefined || stats.active + stats.paused === 0) return undefined;
  const counts = [`${stats.active} active`, ...(stats.paused === 0 ? [] : [`${stats.paused} paused`])];
  return [...counts, ...nextText(stats, now)].join(", ");
}

function nextText(stats: ScheduleStats, now: number): readonly string[] {
  const nextRunAt = fromTimestamp(stats.nextRunAt);
  if (nextRunAt === null) return [];
  if (isOverdue(stats)) return [`the next tick is overdue by ${formatDuration(Number(stats.overdueMs))}`];
  return [`next tick ${relativeTime(nextRunAt, now)}`];
}

export function isOverdue(stats: ScheduleStats): boolean {
  return Number(stats.overdueMs) >= OVERDUE_MS;
}
