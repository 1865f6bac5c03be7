import { describe, expect, test } from "bun:test";
import { cronRule, parseCron } from "../../../src/daemon/core/cron.ts";
import { latestTicks, nextTick } from "../../../src/daemon/core/next-tick.ts";
import { jitterOf } from "../../../src/daemon/core/schedule-ticks.ts";
import { findTimeZone, timeZoneOf } from "../../../src/daemon/core/time-zone.ts";
import { seededRandom } from "../../support/seeded-random.ts";

/** The next ticks after a time, as ISO times; one that stands for times of a gap is marked. */
function ticks(cron: string, zone: string, after: string, count: number): readonly string[] {
  const found: string[] = [];
  let at = Date.parse(after);
  for (let index = 0; index < count; index++) {
    const tick = nextTick(cronRule(cron), timeZoneOf(zone), at);
    if (tick === null) break;
    found.push(new Date(tick.at).toISOString().replace(":00.000Z", "Z") + (tick.isInGap ? " gap" : ""));
    at = tick.at;
  }
  return found;
}

describe("expressions", () => {
  const right = [
    ["0 8 * * 1-5", ["2026-01-01T08:00Z", "2026-01-02T08:00Z", "2026-01-05T08:00Z"]],
    ["0 0 * * 0", ["2026-01-04T00:00Z", "2026-01-11T00:00Z", "2026-01-18T00:00Z"]],
    ["0 0 * * 7", ["2026-01-04T00:00Z", "2026-01-11T00:00Z", "2026-01-18T00:00Z"]],
    ["0 0 * * SUN", ["2026-01-04T00:00Z", "2026-01-11T00:00Z", "2026-01-18T00:00Z"]],
    ["0 0 1 jan,JUL *", ["2026-07-01T00:00Z", "2027-01-01T00:00Z", "2027-07-01T00:00Z"]],
    ["5/20 4 * * *", ["2026-01-01T04:05Z", "2026-01-01T04:25Z", "2026-01-01T04:45Z"]],
    ["10-50/20 4 * * *", ["2026-01-01T04:10Z", "2026-01-01T04:30Z", "2026-01-01T04:50Z"]],
    ["0 0 L * *", ["2026-01-31T00:00Z", "2026-02-28T00:00Z", "2026-03-31T00:00Z"]],
    ["0 0 * * 5L", ["2026-01-30T00:00Z", "2026-02-27T00:00Z", "2026-03-27T00:00Z"]],
    ["0 0 * * mon#2", ["2026-01-12T00:00Z", "2026-02-09T00:00Z", "2026-03-09T00:00Z"]],
    // Day of month and day of week are joined by or.
    ["0 0 13 * 5", ["2026-01-02T00:00Z", "2026-01-09T00:00Z", "2026-01-13T00:00Z"]],
    ["0 0 ? * 1", ["2026-01-05T00:00Z", "2026-01-12T00:00Z", "2026-01-19T00:00Z"]],
    ["  0\t0  1 1 * ", ["2027-01-01T00:00Z", "2028-01-01T00:00Z", "2029-01-01T00:00Z"]],
    ["@hourly", ["2026-01-01T01:00Z", "2026-01-01T02:00Z", "2026-01-01T03:00Z"]],
    ["@Daily", ["2026-01-02T00:00Z", "2026-01-03T00:00Z", "2026-01-04T00:00Z"]],
    ["@midnight", ["2026-01-02T00:00Z", "2026-01-03T00:00Z", "2026-01-04T00:00Z"]],
    ["@weekly", ["2026-01-04T00:00Z", "2026-01-11T00:00Z", "2026-01-18T00:00Z"]],
    ["@monthly", ["2026-02-01T00:00Z", "2026-03-01T00:00Z", "2026-04-01T00:00Z"]],
    ["@yearly", ["2027-01-01T00:00Z", "2028-01-01T00:00Z", "2029-01-01T00:00Z"]],
    ["0 0 29 2 *", ["2028-02-29T00:00Z", "2032-02-29T00:00Z", "2036-02-29T00:00Z"]],
  ] as const;
  for (const [cron, expected] of right) {
    test(JSON.stringify(cron), () => expect(ticks(cron, "UTC", "2026-01-01T00:00:00Z", 3)).toEqual([...expected]));
  }

  test("a step of the whole field is allowed; a longer one of a stored schedule keeps its meaning", () => {
    expect(ticks("*/60 */24 * * *", "UTC", "2026-01-01T00:00:00Z", 2)).toEqual([
      "2026-01-02T00:00Z",
      "2026-01-03T00:00Z",
    ]);
    expect(ticks("*/90 * * * *", "UTC", "2026-01-01T00:00:00Z", 2)).toEqual(["2026-01-01T01:00Z", "2026-01-01T02:00Z"]);
  });

  test("six fields begin with the second", () => {
    expect(ticks("*/20 0 0 1 1 *", "UTC", "2026-06-01T00:00:00Z", 3)).toEqual([
      "2027-01-01T00:00Z",
      "2027-01-01T00:00:20.000Z",
      "2027-01-01T00:00:40.000Z",
    ]);
  });

  const wrong = [
    ["", /is empty; .*0 8 \* \* 1-5/],
    ["   ", /is empty/],
    ["* * *", /has 3 fields; .*0 8 \* \* 1-5/],
    ["* * * * * * *", /has 7 fields/],
    ["60 * * * *", /the minute field "60"/],
    ["0 24 * * *", /the hour field "24"/],
    ["0 0 0 * *", /the day of month field "0"/],
    ["0 0 * 13 *", /the month field "13"/],
    ["0 0 * * 8", /the day of week field "8"/],
    ["0 0 * * MOO", /the day of week field "MOO"/],
    ["0 22-2 * * *", /the hour field "22-2"/],
    ["*/0 * * * *", /the minute field "\*\/0"/],
    ["1,,2 * * * *", /the minute field/],
    ["-1 * * * *", /the minute field/],
    ["61 0 0 * * *", /the second field "61"/],
    ["H * * * *", /the minute field "H" .*jitter/],
    ["0 0 15W * *", /the day of month field "15W"/],
    ["0 0 * * L", /the day of week field "L"/],
    ["0 0 * * 1#6", /the day of week field "1#6"/],
    ["0 0 31 2 *", /matches no date of any year/],
    ["0 0 31 4,6,9,11 *", /matches no date of any year/],
    ["0 0 30 FEB *", /matches no date of any year/],
    ["@every 5m", /is unknown; use one of .*@hourly/],
    ["@reboot", /is unknown/],
    ["@constructor", /is unknown/],
    ["constructor", /has 1 field/],
    ["__proto__", /has 1 field/],
    ["a b c d e", /the minute field "A"/],
    ["*".repeat(600), /is 600 characters long/],
    ["*/90 * * * *", /the minute field "\*\/90" has a step of 90 but only 60 values, .* once per hour; .* at most 60/],
    ["0 */36 * * *", /the hour field "\*\/36" .* once per day/],
    ["5,10/61 * * * *", /the minute field "5,10\/61" has a step of 61/],
    ["0 0 */40 * *", /the day of month field/],
  ] as const;
  for (const [cron, fault] of wrong) {
    test(`${JSON.stringify(cron.slice(0, 40))} is refused`, () => {
      const parsed = parseCron(cron);
      expect("fault" in parsed ? parsed.fault : "accepted").toMatch(fault);
    });
  }

  test("whatever text comes, it is a rule that ticks or a fault that says why, at once", () => {
    const random = seededRandom("cron text");
    const alphabet = "0123456789*/,-#L? \t@HhWJANmon?    ".split("");
    for (let round = 0; round < 2_000; round++) {
      const text = Array.from(
        { length: random.between(1, 24) },
        () => alphabet[random.between(0, alphabet.length - 1)],
      ).join("");
      const parsed = parseCron(text);
      if ("fault" in parsed) expect(parsed.fault.length).toBeGreaterThan(10);
      else expect(nextTick(parsed.rule, timeZoneOf("Europe/Berlin"), 0)).not.toBeNull();
    }
  });
});

describe("zones", () => {
  test("names of Intl are zones, in any case", () => {
    for (const name of [
      "UTC",
      "Europe/Berlin",
      "europe/berlin",
      "Etc/GMT-2",
      "Asia/Kolkata",
      "America/Argentina/Ushuaia",
    ]) {
      expect(findTimeZone(name)?.name).toBe(name);
    }
  });

  test("other texts are none", () => {
    for (const name of ["", "Mars/Olympus", "+02:00", "-05", "Europe", "../etc", "Europe/Berlin "]) {
      expect(findTimeZone(name)).toBeNull();
    }
  });
});

describe("clocks that change", () => {
  const cases = [
    // [what, cron, zone, after, expected]
    [
      "a fixed time in a gap fires at its end",
      "30 2 * * *",
      "America/New_York",
      "2026-03-07T12:00:00Z",
      ["2026-03-08T07:00Z gap", "2026-03-09T06:30Z"],
    ],
    [
      "several fixed times of a gap are one tick",
      "0,20,40 2 * * *",
      "America/New_York",
      "2026-03-08T00:00:00Z",
      ["2026-03-08T07:00Z gap", "2026-03-09T06:00Z"],
    ],
    [
      "a fixed time that comes twice fires the first time",
      "30 1 * * *",
      "America/New_York",
      "2026-10-31T12:00:00Z",
      ["2026-11-01T05:30Z", "2026-11-02T06:30Z"],
    ],
    [
      "half hours go by real time in spring",
      "*/30 * * * *",
      "America/New_York",
      "2026-03-08T06:00:00Z",
      ["2026-03-08T06:30Z", "2026-03-08T07:00Z", "2026-03-08T07:30Z"],
    ],
    [
      "half hours go by real time in autumn",
      "*/30 * * * *",
      "America/New_York",
      "2026-11-01T05:00:00Z",
      ["2026-11-01T05:30Z", "2026-11-01T06:00Z", "2026-11-01T06:30Z", "2026-11-01T07:00Z"],
    ],
    [
      "hours go by real time in autumn",
      "0 * * * *",
      "Europe/Berlin",
      "2026-10-24T23:30:00Z",
      ["2026-10-25T00:00Z", "2026-10-25T01:00Z", "2026-10-25T02:00Z"],
    ],
    [
      "every second hour runs once at a two o'clock that comes twice",
      "0 */2 * * *",
      "Europe/Berlin",
      "2026-10-24T23:00:00Z",
      ["2026-10-25T00:00Z", "2026-10-25T03:00Z"],
    ],
    [
      "every second hour is not lost in a gap",
      "0 */2 * * *",
      "Europe/Berlin",
      "2026-03-29T00:00:00Z",
      ["2026-03-29T01:00Z gap", "2026-03-29T02:00Z"],
    ],
    [
      "steps of one hour are not lost in a gap",
      "*/15 2 * * *",
      "Europe/Berlin",
      "2026-03-29T00:00:00Z",
      ["2026-03-29T01:00Z gap", "2026-03-30T00:00Z"],
    ],
    [
      "Lord Howe: 02:15 is not skipped in its half hour",
      "15 2 * * *",
      "Australia/Lord_Howe",
      "2026-10-03T00:00:00Z",
      ["2026-10-03T15:30Z gap", "2026-10-04T15:15Z"],
    ],
    [
      "Lord Howe: no half hour is lost in autumn",
      "*/30 * * * *",
      "Australia/Lord_Howe",
      "2026-04-04T14:00:00Z",
      ["2026-04-04T14:30Z", "2026-04-04T15:00Z", "2026-04-04T15:30Z", "2026-04-04T16:00Z"],
    ],
    [
      "Lord Howe: a quarter to two comes twice and fires once",
      "45 1 * * *",
      "Australia/Lord_Howe",
      "2026-04-04T12:00:00Z",
      ["2026-04-04T14:45Z", "2026-04-05T15:15Z"],
    ],
    [
      "Troll: two hours at once",
      "30 1,2 * * *",
      "Antarctica/Troll",
      "2026-03-29T00:00:00Z",
      ["2026-03-29T01:00Z gap", "2026-03-29T23:30Z"],
    ],
    [
      "Apia: a day that was left out fires when it is over",
      "0 12 30 12 *",
      "Pacific/Apia",
      "2011-12-01T00:00:00Z",
      ["2011-12-30T10:00Z gap", "2012-12-29T22:00Z"],
    ],
    [
      "Beirut: a midnight that does not exist",
      "0 0 * * *",
      "Asia/Beirut",
      "2026-03-28T12:00:00Z",
      ["2026-03-28T22:00Z gap", "2026-03-29T21:00Z"],
    ],
  ] as const;
  for (const [what, cron, zone, after, expected] of cases) {
    test(what, () => expect(ticks(cron, zone, after, expected.length)).toEqual([...expected]));
  }
});

describe("effort", () => {
  const rare = ["0 0 29 2 *", "0 0 29 2 1#5", "0 0 * 2 1#5", "59 59 23 31 12 *", "0 0 31 1 *"];

  test("rules that rarely tick answer within 20 ms of work, also 90 years ahead", () => {
    for (const cron of rare) {
      const before = process.cpuUsage();
      let at = Date.UTC(2026, 0, 1);
      const zone = timeZoneOf("Europe/Paris");
      for (let count = 0; count < 3; count++) at = nextTick(cronRule(cron), zone, at)?.at ?? NaN;
      expect(at).toBeGreaterThan(Date.UTC(2026, 0, 1));
      expect(nextTick(cronRule(cron), zone, Date.UTC(2090, 0, 1))).not.toBeNull();
      const { user, system } = process.cpuUsage(before);
      // Code that is new is slow, and other threads of the runtime count too: five times what is promised.
      expect((user + system) / 1_000).toBeLessThan(5 * 20);
    }
  });

  test("the latest ticks are those that going forward finds, however dense or rare", () => {
    const random = seededRandom("latest ticks");
    for (const cron of ["* * * * *", "*/7 8-17 * * 1-5", "30 2 * * *", "0 0 1 * *", ...rare]) {
      const rule = cronRule(cron);
      const zone = timeZoneOf(random.shuffled(["America/New_York", "Australia/Lord_Howe", "UTC"])[0] as string);
      const end = Date.UTC(2026, 0, 1) + random.between(0, 300) * 86_400_000 + random.between(0, 1) * 500;
      const from = end - (cron.startsWith("*") ? 20 : 4_000) * 86_400_000;
      const forward: number[] = [];
      for (
        let tick = nextTick(rule, zone, from - 1);
        tick !== null && tick.at < end;
        tick = nextTick(rule, zone, tick.at)
      ) {
        forward.push(tick.at);
      }
      for (const count of [1, 2, 50, 100_000]) {
        expect(latestTicks(rule, zone, from, end, count)).toEqual(forward.slice(-count));
      }
    }
  });
});

test("jitter is the same for the same tick, stays within its bound and spreads over it", () => {
  const delays = Array.from({ length: 2_000 }, (_, tick) =>
    jitterOf("01a1ff24-4ee1-707b-a7a3-5f8aba9ecbc9", tick * 1_000, 999),
  );
  expect(delays).toEqual(
    Array.from({ length: 2_000 }, (_, tick) => jitterOf("01a1ff24-4ee1-707b-a7a3-5f8aba9ecbc9", tick * 1_000, 999)),
  );
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...delays)).toBeLessThanOrEqual(999);
  for (let tenth = 0; tenth < 10; tenth++) {
    const share = delays.filter((delay) => Math.floor(delay / 100) === tenth).length / delays.length;
    expect(share).toBeGreaterThan(0.06);
    expect(share).toBeLessThan(0.14);
  }
  expect(jitterOf("x", 1, 0)).toBe(0);
});
