/** Local times without a zone, as the milliseconds since the epoch at which a clock in UTC shows them. */
import type { CronRule } from "./cron.ts";

const DAY_MS = 86_400_000;
/** The rarest date, 29 February on a given weekday, recurs within 40 years. */
const MOST_MONTHS = 12 * 41;

/** The earliest local time, in whole seconds, that the rule matches at or after `from`; null when none comes. */
export function nextWallTime(rule: CronRule, from: number): number | null {
  const second = Math.ceil(from / 1_000);
  const date = new Date(second * 1_000);
  const year = date.getUTCFullYear();
  const month = date.getUTCMonth();
  const day = date.getUTCDate();
  const midnight = Date.UTC(year, month, day);
  const days = rule.daysOf(year, month);
  if ((days >> day) & 1) {
    const time = nextTimeOfDay(rule, second - midnight / 1_000);
    if (time >= 0) return midnight + time * 1_000;
  }
  const start = nextDay(rule, year, month, days & ~((2 << day) - 1));
  return start === null ? null : start + nextTimeOfDay(rule, 0) * 1_000;
}

/** Whether the rule matches exactly this local time. */
export function isNamed(rule: CronRule, wall: number): boolean {
  return nextWallTime(rule, wall) === wall;
}

/** Midnight of the first of the days left in this month, otherwise of the first matching day of a later month. */
function nextDay(rule: CronRule, year: number, month: number, left: number): number | null {
  let days = left;
  for (let ahead = 0; ahead < MOST_MONTHS; ahead++) {
    if (ahead > 0) days = rule.daysOf(year + Math.floor((month + ahead) / 12), (month + ahead) % 12);
    if (days !== 0) return Date.UTC(year, month + ahead, 1) + (lowestBit(days) - 1) * DAY_MS;
  }
  return null;
}

function lowestBit(mask: number): number {
  return 31 - Math.clz32(mask & -mask);
}

/** The first matching time at or after `from`, in seconds after midnight; -1 when the day has none left. */
function nextTimeOfDay({ nextHour, nextMinute, nextSecond }: CronRule, from: number): number {
  let hour = Math.floor(from / 3_600);
  let minute = Math.floor(from / 60) % 60;
  let second = least(nextSecond, from % 60);
  if (second < 0) {
    minute++;
    second = least(nextSecond, 0);
  }
  const askedMinute = minute;
  minute = least(nextMinute, minute);
  if (minute !== askedMinute) second = least(nextSecond, 0);
  if (minute < 0) {
    hour++;
    minute = least(nextMinute, 0);
  }
  const askedHour = hour;
  hour = least(nextHour, hour);
  if (hour < 0) return -1;
  if (hour !== askedHour) return (hour * 60 + least(nextMinute, 0)) * 60 + least(nextSecond, 0);
  return (hour * 60 + minute) * 60 + second;
}

/** The lowest value of a field at or above `from`; -1 when there is none. */
function least(table: Int8Array, from: number): number {
  return table[from] ?? -1;
}
