/**
 * When a rule ticks in a zone, as instants. Local times name them; where the clocks change, this is the rule:
 *
 * - **Fixed times**: no `*`, `?` or `/` in second, minute and hour. A time that does not exist fires once, at the first
 *   instant after the gap; several of one gap are one tick. A time that comes twice fires the first time.
 * - **Intervals**: one of those fields has a `*`, `?` or `/`, or names all its values. They go by real time, and no time
 *   is left out or doubled: what a gap swallows fires at the first instant after it, unless the clock after the change
 *   names the same instant anyway; in the stretch that is repeated fires what both clocks name, the one before the
 *   change and the one after it. So `*\/30 * * * *` fires every half hour of real time through all changes, and
 *   `0 *\/2 * * *` once at a two o'clock that comes twice.
 */
import type { CronRule } from "./cron.ts";
import type { Stretch, TimeZone } from "./time-zone.ts";
import { isNamed, nextWallTime } from "./wall-time.ts";

/** One tick. */
export interface Tick {
  /** Milliseconds since the epoch, whole seconds. */
  readonly at: number;
  /** Its local time does not exist on that day: it stands for one or more that the gap swallowed. */
  readonly isInGap: boolean;
}

const DAY_MS = 86_400_000;

/** The first tick after a time, exclusive; null when none comes. Looks at a bounded number of months, however rare. */
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

/** Null when the tick counts; else where to go on, since it is one that the first pass has had. */
function repeatedBefore(rule: CronRule, stretch: Stretch, at: number): number | null {
  const end = stretch.changedAt + stretch.offsetBefore - stretch.offset;
  if (at >= end) return null;
  if (!rule.isInterval) return end;
  const before = nextWallTime(rule, at + stretch.offsetBefore);
  if (before === at + stretch.offsetBefore) return null;
  return Math.min(end, (before ?? Infinity) - stretch.offsetBefore);
}

/** Whether the clocks went forward over times that the rule names and that real time does not make up for. */
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
 * The next time to look at when the stretch has no tick after `from`. Days without a named local time are jumped over;
 * what two days around a change hold is looked at stretch by stretch.
 */
function skipTo(from: number, at: number, end: number): number {
  return end - from <= 2 * DAY_MS ? end : at - 2 * DAY_MS;
}

/** The latest ticks from `from` on and before `end`, oldest first, at most `count`. */
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

/** @param gap how far back it probably is */
function previousTick(rule: CronRule, zone: TimeZone, from: number, before: number, gap: number): number | null {
  const firstFrom = (time: number) => nextTick(rule, zone, time - 1)?.at ?? Infinity;
  let found = Infinity;
  for (let step = gap; ; step *= 2) {
    const start = Math.max(from, before - step);
    found = firstFrom(start);
    if (found < before) break;
    if (start === from) return null;
  }
  // Found is a tick; between `past` and `before` there is none.
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
