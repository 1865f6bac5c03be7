/**
 * Every minute of two years, in every zone that Intl knows: the ticks of six rules against the rule for clock changes,
 * stated here once more, minute by minute, with offsets that come from the zone's wall clock.
 */
import { expect, test } from "bun:test";
import { cronRule } from "../../src/daemon/core/cron.ts";
import { nextTick } from "../../src/daemon/core/next-tick.ts";
import { timeZoneOf } from "../../src/daemon/core/time-zone.ts";

const MINUTE = 60_000;
const DAY = 1_440;

/** A rule in words of its own: which minutes of which days; times in minutes since 1970 on the zone's wall clock. */
interface Rule {
  readonly cron: string;
  readonly isInterval: boolean;
  readonly time: (hour: number, minute: number) => boolean;
  readonly day: (date: Date) => boolean;
}

const everyDay = () => true;
const RULES: readonly Rule[] = [
  { cron: "30 2 * * *", isInterval: false, time: (hour, minute) => hour === 2 && minute === 30, day: everyDay },
  {
    cron: "15,45 0-3 * * sun",
    isInterval: false,
    time: (hour, minute) => hour <= 3 && minute % 30 === 15,
    day: (date) => date.getUTCDay() === 0,
  },
  { cron: "*/30 * * * *", isInterval: true, time: (_, minute) => minute % 30 === 0, day: everyDay },
  { cron: "0 */2 * * *", isInterval: true, time: (hour, minute) => hour % 2 === 0 && minute === 0, day: everyDay },
  {
    cron: "*/20 1,2 * * *",
    isInterval: true,
    time: (hour, minute) => hour <= 2 && hour >= 1 && minute % 20 === 0,
    day: everyDay,
  },
  {
    cron: "59 23 L * *",
    isInterval: false,
    time: (hour, minute) => hour === 23 && minute === 59,
    day: (date) => new Date(date.getTime() + DAY * MINUTE).getUTCDate() === 1,
  },
];

/** In minutes; the offsets are what is added to UTC. */
interface Change {
  readonly at: number;
  readonly before: number;
  readonly after: number;
}

function offsetReader(zone: string): (minute: number) => number {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
  });
  return (minute) => {
    // As in 03/08/2026, 01:59
    const face = format.format(minute * MINUTE);
    const [month, day, year] = face.slice(0, 10).split("/").map(Number) as [number, number, number];
    const [hour, minutes] = face.slice(12).split(":").map(Number) as [number, number];
    return Date.UTC(year, month - 1, day, hour, minutes) / MINUTE - minute;
  };
}

function changesOf(zone: string, from: number, to: number): { readonly first: number; readonly changes: Change[] } {
  const offsetAt = offsetReader(zone);
  const first = offsetAt(from);
  const changes: Change[] = [];
  let before = first;
  for (let look = from + DAY / 2; look <= to; look += DAY / 2) {
    const after = offsetAt(look);
    if (after === before) continue;
    let [low, high] = [look - DAY / 2, look];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (offsetAt(middle) === before) low = middle;
      else high = middle;
    }
    changes.push({ at: high, before, after });
    before = after;
  }
  return { first, changes };
}

/** For each minute of the wall clock, from `base` on, whether the rule names it. */
interface NamedMinutes {
  readonly rule: Rule;
  readonly base: number;
  readonly isNamed: Uint8Array;
}

function namedMinutes(rule: Rule, from: number, to: number): NamedMinutes {
  const base = from - 3 * DAY;
  const isNamed = new Uint8Array(to - from + 6 * DAY);
  for (let place = 0; place < isNamed.length; place++) {
    const date = new Date((base + place) * MINUTE);
    if (rule.time(date.getUTCHours(), date.getUTCMinutes()) && rule.day(date)) isNamed[place] = 1;
  }
  return { rule, base, isNamed };
}

function expectedTicks(
  { rule, base, isNamed }: NamedMinutes,
  first: number,
  changes: readonly Change[],
  from: number,
  to: number,
): number[] {
  const names = (wall: number): boolean => isNamed[wall - base] === 1;
  const ticks: number[] = [];
  let offset = first;
  let offsetBefore = first;
  let secondPassEnd = from;
  let next = 0;
  for (let minute = from; minute < to; minute++) {
    let fires = names(minute + offset);
    const change = changes[next];
    if (change?.at === minute) {
      const { before, after } = change;
      [offset, offsetBefore, secondPassEnd] = [after, before, minute + before - after];
      next++;
      fires = names(minute + after);
      for (let lost = minute + before; lost < minute + after; lost++) {
        const isMadeUpFor = rule.isInterval && names(lost + after - before);
        if (names(lost) && !isMadeUpFor) fires = true;
      }
    }
    if (fires && minute < secondPassEnd) fires = rule.isInterval && names(minute + offsetBefore);
    if (fires) ticks.push(minute * MINUTE);
  }
  return ticks;
}

/** The first place where they differ; null when they are equal. */
function firstDifference(
  rule: Rule,
  zone: string,
  expected: readonly number[],
  from: number,
  to: number,
): string | null {
  const timeZone = timeZoneOf(zone);
  const cron = cronRule(rule.cron);
  let at = from * MINUTE - 1;
  for (let index = 0; ; index++) {
    const tick = nextTick(cron, timeZone, at)?.at ?? Infinity;
    const wanted = expected[index] ?? Infinity;
    if (tick >= to * MINUTE && wanted === Infinity) return null;
    if (tick === wanted) at = tick;
    else return `${rule.cron} in ${zone}: tick ${index} is ${iso(tick)}, expected ${iso(wanted)}`;
  }
}

function iso(at: number): string {
  return Number.isFinite(at) ? new Date(at).toISOString() : "none";
}

/** Zones that are the same to both sides are compared once: all that either knows of a zone is in the key. */
function compareZones(zones: readonly string[], from: number, to: number): readonly string[] {
  const compared = new Map<string, readonly string[]>();
  const rules = RULES.map((rule) => namedMinutes(rule, from, to));
  for (const zone of zones) {
    const { first, changes } = changesOf(zone, from, to);
    const key = JSON.stringify([first, changes, stretchesOf(zone, from, to)]);
    if (!compared.has(key)) compared.set(key, compareZone(rules, zone, first, changes, from, to));
  }
  return [...compared.values()].flat();
}

function compareZone(
  rules: readonly NamedMinutes[],
  zone: string,
  first: number,
  changes: readonly Change[],
  from: number,
  to: number,
): readonly string[] {
  return rules.flatMap((named) => {
    const expected = expectedTicks(named, first, changes, from, to);
    return firstDifference(named.rule, zone, expected, from, to) ?? [];
  });
}

/** What the code under test takes a zone to be. */
function stretchesOf(zone: string, from: number, to: number): readonly unknown[] {
  const stretches: unknown[] = [];
  for (let at = from * MINUTE; at < (to + 3 * DAY) * MINUTE;) {
    const stretch = timeZoneOf(zone).stretchAt(at);
    stretches.push(stretch);
    at = stretch.end;
  }
  return stretches;
}

function minutesOf(from: string, to: string): [number, number] {
  return [Date.parse(from) / MINUTE, Date.parse(to) / MINUTE];
}

test("P15: in every zone, over two years, minute by minute, each tick fires as the rule says", () => {
  const zones = Intl.supportedValuesOf("timeZone");
  expect(zones.length).toBeGreaterThanOrEqual(400);
  for (const odd of ["Australia/Lord_Howe", "Antarctica/Troll", "Pacific/Apia", "Africa/Casablanca"]) {
    expect(zones).toContain(odd);
  }
  expect(compareZones(zones, ...minutesOf("2026-01-01T00:00Z", "2028-01-01T00:00Z"))).toEqual([]);
}, 120_000);

test("a day left out, half hours, changes at midnight and two changes in a month are no exceptions", () => {
  const oddities: readonly (readonly [zone: string, from: string, to: string])[] = [
    // Skipped 30 December 2011.
    ["Pacific/Apia", "2011-09-01T00:00Z", "2012-05-01T00:00Z"],
    ["Pacific/Fakaofo", "2011-12-01T00:00Z", "2012-02-01T00:00Z"],
    // Half an hour on and back.
    ["America/Caracas", "2007-11-01T00:00Z", "2008-01-01T00:00Z"],
    ["America/Caracas", "2016-04-01T00:00Z", "2016-06-01T00:00Z"],
    ["Asia/Pyongyang", "2015-07-01T00:00Z", "2018-06-01T00:00Z"],
    // Summer time with a pause in Ramadan.
    ["Africa/Cairo", "2014-03-01T00:00Z", "2014-12-01T00:00Z"],
    // At midnight, so that a day has no beginning, or two.
    ["America/Sao_Paulo", "2017-09-01T00:00Z", "2019-03-01T00:00Z"],
    ["Asia/Beirut", "2022-03-01T00:00Z", "2023-12-01T00:00Z"],
    ["America/Havana", "2022-01-01T00:00Z", "2023-01-01T00:00Z"],
    // A zone moved for good, by two hours.
    ["Asia/Magadan", "2014-09-01T00:00Z", "2016-06-01T00:00Z"],
  ];
  const differences = oddities.flatMap(([zone, from, to]) => compareZones([zone], ...minutesOf(from, to)));
  expect(differences).toEqual([]);
}, 60_000);
