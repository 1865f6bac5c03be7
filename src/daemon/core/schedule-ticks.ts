/** Which ticks of a schedule are due, and when the next ones come. */
import { cronRule } from "./cron.ts";
import { latestTicks, nextTick } from "./next-tick.ts";
import type { Schedule, ScheduleSpec } from "./schedule.ts";
import { timeZoneOf } from "./time-zone.ts";

/** The fields of a schedule that decide its ticks. */
export type TickRule = Pick<ScheduleSpec, "cron" | "timeZone" | "startAt" | "endAt">;

/** The first tick after a time, exclusive, between startAt and endAt, both inclusive; null when none comes. */
export function tickAfter(rule: TickRule, after: number): number | null {
  const from = rule.startAt === null ? after : Math.max(after, rule.startAt - 1);
  const tick = nextTick(cronRule(rule.cron), timeZoneOf(rule.timeZone), from);
  return tick === null || (rule.endAt !== null && tick.at > rule.endAt) ? null : tick.at;
}

/** Ticks to fire, oldest first, and where to continue. */
export interface DueTicks {
  readonly ticks: readonly number[];
  /** The first tick after them that is not skipped; it is due itself when the limit cut the list. */
  readonly nextRunAt: number | null;
}

/**
 * The ticks of a schedule that are due by `now`. Those that were due before `missedBefore` were missed, and the
 * schedule's catchUp decides on them. A repeated call with the returned `nextRunAt` continues where the limit cut the
 * list.
 *
 * @param limit maximum number of ticks
 */
export function dueTicks(schedule: Schedule, now: number, missedBefore: number, limit: number): DueTicks {
  const ticks: number[] = [];
  // Recomputed: rules of time zones change, and the stored time may be based on older ones.
  let next = schedule.nextRunAt === null ? null : tickAfter(schedule.spec, schedule.nextRunAt - 1);
  if (next !== null && next < missedBefore) next = firstToCatchUp(schedule, next, missedBefore, now);
  while (next !== null && next <= now && ticks.length < limit) {
    ticks.push(next);
    next = tickAfter(schedule.spec, next);
  }
  return { ticks, nextRunAt: next };
}

function firstToCatchUp({ spec }: Schedule, from: number, missedBefore: number, now: number): number | null {
  const end = Math.min(missedBefore, now + 1);
  const seen = tickAfter(spec, end - 1);
  // The latest due tick was not missed, so it is the one that catches up.
  const count = spec.catchUp === "latest" && seen !== null && seen <= now ? 0 : catchUpCount(spec);
  // A tick that startAt or endAt excludes was never due.
  const lastEnd = spec.endAt === null ? end : Math.min(end, spec.endAt + 1);
  const kept = count === 0 ? [] : latestTicks(cronRule(spec.cron), timeZoneOf(spec.timeZone), from, lastEnd, count);
  return kept[0] ?? seen;
}

function catchUpCount({ catchUp, maxCatchUp }: ScheduleSpec): number {
  switch (catchUp) {
    case "none":
      return 0;
    case "latest":
      return 1;
    case "all":
      return maxCatchUp;
  }
}

/** Milliseconds by which the job of a tick is delayed: 0 to `jitterMs`, and the same for one tick in every daemon. */
export function jitterOf(scheduleId: string, tickAt: number, jitterMs: number): number {
  if (jitterMs === 0) return 0;
  // FNV-1a with a final mix, as neighbouring ticks differ in few bits.
  let hash = 0x811c9dc5;
  for (const character of `${scheduleId}/${tickAt}`) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % (jitterMs + 1);
}
