/**
 * Computes the instants at which a rule ticks in a time zone. Rules match local times; where the clocks change:
 *
 * - **Fixed times** have no `*`, `?` or `/` in second, minute and hour. A time that does not exist fires once, at the
 *   first instant after the gap; several times in one gap are one tick. A time that occurs twice fires the first time.
 * - **Intervals** have a `*`, `?` or `/` in one of those fields, or list all its values. They follow real time and skip
 *   or repeat nothing: a time inside a gap fires at the first instant after it, unless the clock after the change
 *   matches the same instant anyway; in the repeated stretch a time fires if both clocks match it, the one before the
 *   change and the one after it. So `*\/30 * * * *` fires every half hour of real time through all changes, and
 *   `0 *\/2 * * *` fires once at a two o'clock that occurs twice.
 */
import type { CronRule } from "./cron.ts";
import type { Stretch, TimeZone } from "./time-zone.ts";
import { isNamed, nextWallTime } from "./wall-time.ts";

/** One tick. */
export interface Tick {
  /** Milliseconds since the epoch, whole seconds. */
  readonly at: number;
  /** Its local time does not exist on that day: it replaces one or more times inside the gap. */
  readonly isInGap: boolean;
}

const DAY_MS = 86_400_000;

/** The first tick after a time, exclusive; null when none comes. Examines a bounded number of months. */
export function nextTick(rule: CronRule, zone: TimeZone, after: number): Tick | null {
  let from = (Math.floor(after / 1_000) + 1) * 1_000;
  for (;;) {
    const stretch = zone.stretchAt(from);
    const wall = nextWallTime(rule, from + stretch.offset);
    if (wall === null) return null;
    const at = wall - stretch.offset;
    if (from === stretch.changedAt && at !== from && firesAfterGap(rule, stretch)) return { at: from, isInGap: true };
    if (at >= stretch.end) {
      from = skipTo(from, at, stretch.end);
      continue;
    }
    const passed = repeatedBefore(rule, stretch, at);
    if (passed === null) return { at, isInGap: false };
    from = passed;
  }
}

/**
 * Null when the tick counts; otherwise where to continue, since the first of two equal local times has fired already.
 */
function repeatedBefore(rule: CronRule, stretch: Stretch, at: number): number | null {
  const end = stretch.changedAt + stretch.offsetBefore - stretch.offset;
  if (at >= end) return null;
  if (!rule.isInterval) return end;
  const before = nextWallTime(rule, at + stretch.offsetBefore);
  if (before === at + stretch.offsetBefore) return null;
  return Math.min(end, (before ?? Infinity) - stretch.offsetBefore);
}

/** Whether the clocks skipped times that the rule matches and that do not fire in real time anyway. */
function firesAfterGap(rule: CronRule, { changedAt, offset, offsetBefore }: Stretch): boolean {
  const length = offset - offsetBefore;
  const end = changedAt + offset;
  let wall = nextWallTime(rule, changedAt + offsetBefore);
  while (wall !== null && wall < end) {
    if (!rule.isInterval || !isNamed(rule, wall + length)) return true;
    wall = nextWallTime(rule, wall + 1_000);
  }
  return false;
}

/**
 * The next time to examine when the stretch has no tick after `from`. Skips days without a matching local time; the two
 * days around a change are examined stretch by stretch.
 */
function skipTo(from: number, at: number, end: number): number {
  return end - from <= 2 * DAY_MS ? end : at - 2 * DAY_MS;
}

/** The latest ticks at or after `from` and before `end`, oldest first, at most `count`. */
export function latestTicks(rule: CronRule, zone: TimeZone, from: number, end: number, count: number): number[] {
  const ticks: number[] = [];
  let before = end;
  let gap = 1_000;
  while (ticks.length < count) {
    const tick = previousTick(rule, zone, from, before, gap);
    if (tick === null) break;
    if (ticks.length > 0) gap = before - tick;
    ticks.push(tick);
    before = tick;
  }
  return ticks.reverse();
}

/** @param gap estimate of how far back the tick is */
function previousTick(rule: CronRule, zone: TimeZone, from: number, before: number, gap: number): number | null {
  const firstFrom = (time: number) => nextTick(rule, zone, time - 1)?.at ?? Infinity;
  let found = Infinity;
  for (let step = gap; ; step *= 2) {
    const start = Math.max(from, before - step);
    found = firstFrom(start);
    if (found < before) break;
    if (start === from) return null;
  }
  // `found` is a tick, and there is none between `past` and `before`.
  let past = before;
  for (;;) {
    const next = firstFrom(found + 1);
    if (next >= past) return found;
    const middle = Math.ceil((next + past) / 2);
    const later = middle < past ? firstFrom(middle) : Infinity;
    if (later < past) found = later;
    else [found, past] = [next, Math.max(middle, next + 1)];
  }
}
