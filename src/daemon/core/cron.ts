/** Cron expressions: their syntax, and the local times that they match. */
import type * as CronParser from "cron-parser";

/** A checked expression in the form that `nextWallTime` reads. */
export interface CronRule {
  /** For each value, the lowest value of the field that is not below it; -1 when there is none. */
  readonly nextHour: Int8Array;
  readonly nextMinute: Int8Array;
  readonly nextSecond: Int8Array;
  /** Whether it follows elapsed time when the clocks change; see `next-tick.ts`. */
  readonly isInterval: boolean;
  /** Bit n is day n of the month; month from 0. */
  readonly daysOf: (year: number, month: number) => number;
}

/**
 * The rule, or the fault in the text: the problem with the value, and a valid form. A fault with a rule is refused for new
 * schedules only: stored ones keep their meaning.
 */
export type ParsedCron =
  { readonly rule: CronRule; readonly fault?: never } | { readonly fault: string; readonly rule?: CronRule };

const EXAMPLE = 'a valid one is "0 8 * * 1-5" (minute hour day month weekday); with six fields, the first is seconds';

/** Our nicknames and those of cron-parser, as five or six fields. */
const NICKNAMES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
    "@minutely": "* * * * *",
    "@secondly": "* * * * * *",
    "@weekdays": "0 0 * * 1-5",
    "@weekends": "0 0 * * 0,6",
  }),
);

/** How many values each field has, and how often a step that exceeds them would match. */
const FIELD_SIZES = [60, 60, 24, 31, 12, 7] as const;
const ONCE_PER = ["minute", "hour", "day", "month", "year", "week"] as const;
const FIELD_NAMES = ["second", "minute", "hour", "day of month", "month", "day of week"] as const;
const NAMES = /\b(JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC|SUN|MON|TUE|WED|THU|FRI|SAT)\b/g;
const MAX_LENGTH = 512;
/** Size of the cache of parsed rules. */
const MOST_KEPT = 4_096;
const kept = new Map<string, ParsedCron>();

/**
 * Parses five fields, six with seconds first, or a nickname such as `@hourly`. Fields may use names of months and days
 * in any case, 0 and 7 for Sunday, steps, ranges, lists, `L` (last day of the month; `5L` last Friday) and `#` (`1#2`
 * second Monday). When both day of month and day of week are restricted, either may match.
 */
export function parseCron(text: string): ParsedCron {
  const known = kept.get(text);
  if (known !== undefined) return known;
  const parsed = parse(text);
  if (kept.size >= MOST_KEPT) kept.clear();
  kept.set(text, parsed);
  return parsed;
}

/** The rule of an expression that was checked when it was stored. */
export function cronRule(text: string): CronRule {
  const parsed = parseCron(text);
  if (parsed.rule !== undefined) return parsed.rule;
  throw new RangeError(`cron ${parsed.fault}`);
}

function parse(text: string): ParsedCron {
  if (text.length > MAX_LENGTH)
    return { fault: `is ${text.length} characters long; at most ${MAX_LENGTH} are allowed` };
  const trimmed = text.trim();
  if (trimmed === "") return { fault: `is empty; ${EXAMPLE}` };
  const shown = JSON.stringify(text);
  if (trimmed.startsWith("@") && !NICKNAMES.has(trimmed.toLowerCase())) {
    return { fault: `${shown} is unknown; use one of ${[...NICKNAMES.keys()].join(", ")}, or fields: ${EXAMPLE}` };
  }
  const fields = (NICKNAMES.get(trimmed.toLowerCase()) ?? trimmed).toUpperCase().split(/\s+/);
  if (fields.length !== 5 && fields.length !== 6) {
    return { fault: `${shown} has ${fields.length} field${fields.length === 1 ? "" : "s"}; ${EXAMPLE}` };
  }
  const six = fields.length === 5 ? ["0", ...fields] : fields;
  const fault = faultOf(six);
  if (fault !== null) return { fault: `${shown}: ${fault}; ${EXAMPLE}` };
  const rule = compile(six);
  if (!happens(rule)) return { fault: `${shown} matches no date of any year, so it would never run; ${EXAMPLE}` };
  const longStep = longStepIn(six);
  return longStep === null ? { rule } : { fault: `${shown}: ${longStep}`, rule };
}

/** Each field starts again with its first value, so a longer step matches that one value only. */
function longStepIn(six: readonly string[]): string | null {
  for (const [index, field] of six.entries()) {
    const size = FIELD_SIZES[index] as number;
    const step = field
      .split(",")
      .map((part) => Number(part.split("/")[1] ?? 0))
      .find((value) => value > size);
    if (step === undefined) continue;
    return (
      `the ${FIELD_NAMES[index]} field ${JSON.stringify(field)} has a step of ${step} but only ${size} values, so it would ` +
      `match once per ${ONCE_PER[index]}; use a step of at most ${size}, or several schedules`
    );
  }
  return null;
}

/** Tries the fields one by one, so that the error can name the invalid one. */
function faultOf(six: readonly string[]): string | null {
  for (const [index, field] of six.entries()) {
    const alone = six.map((_, other) => (other === index ? field : "*"));
    const what = `the ${FIELD_NAMES[index]} field ${JSON.stringify(field)}`;
    // cron-parser would choose a random time.
    if (field.replace(NAMES, "").includes("H")) return `${what} is invalid (H is not supported; use jitter)`;
    const complaint = complaintOf(alone);
    if (complaint !== null) return `${what} is invalid (${complaint})`;
  }
  const complaint = complaintOf(six);
  if (complaint === null) return null;
  return complaint.includes("day of month") ? "it matches no date of any year" : complaint;
}

function complaintOf(six: readonly string[]): string | null {
  try {
    parseFields(six);
    return null;
  } catch (error) {
    return (error as Error).message.replace(/^(Constraint error|Validation error|Cron\w+ Validation error), /, "");
  }
}

type CronFields = CronParser.CronExpression["fields"];

function parseFields(six: readonly string[]): CronFields {
  // Loaded on demand: with its date library it would cost every daemon 10 MB and 30 ms.
  const { CronExpressionParser } = require("cron-parser") as typeof CronParser;
  return CronExpressionParser.parse(six.join(" ")).fields;
}

function compile(six: readonly string[]): CronRule {
  const fields = parseFields(six);
  const months = new Set<number>(fields.month.values.map(Number));
  const masks = new Map<number, number>();
  const isDay = dayMatcher(fields);
  const daysOf = (year: number, month: number): number => {
    if (!months.has(month + 1)) return 0;
    const key = year * 12 + month;
    const known = masks.get(key);
    if (known !== undefined) return known;
    const mask = maskOf(year, month, isDay);
    if (masks.size >= 64) masks.clear();
    masks.set(key, mask);
    return mask;
  };
  return {
    nextHour: nextTable(fields.hour.values.map(Number), 24),
    nextMinute: nextTable(fields.minute.values.map(Number), 60),
    nextSecond: nextTable(fields.second.values.map(Number), 60),
    isInterval:
      six.slice(0, 3).some((field) => /[*?/]/.test(field)) ||
      fields.hour.values.length === 24 ||
      fields.minute.values.length === 60,
    daysOf,
  };
}

function nextTable(values: readonly number[], size: number): Int8Array {
  const table = new Int8Array(size + 1).fill(-1);
  const set = new Set(values);
  let least = -1;
  for (let value = size - 1; value >= 0; value--) {
    if (set.has(value)) least = value;
    table[value] = least;
  }
  return table;
}

type IsDay = (day: number, weekday: number, lastDay: number) => boolean;

function dayMatcher({ dayOfMonth, dayOfWeek }: CronFields): IsDay {
  const days = new Set<number>(dayOfMonth.values.map(Number));
  const weekdays = new Set<number>(dayOfWeek.values.map((value) => Number(value) % 7));
  const lasts = new Set(dayOfWeek.values.map(String).filter((value) => value.endsWith("L")));
  const lastWeekdays = new Set([...lasts].map((value) => Number(value.slice(0, -1)) % 7));
  const isDayOfMonth: IsDay = (day, _, lastDay) => days.has(day) || (dayOfMonth.hasLastChar && day === lastDay);
  const isDayOfWeek: IsDay = (day, weekday, lastDay) =>
    (weekdays.has(weekday) && (dayOfWeek.nthDay === 0 || Math.ceil(day / 7) === dayOfWeek.nthDay)) ||
    (lastWeekdays.has(weekday) && day > lastDay - 7);
  if (dayOfWeek.isWildcard) return dayOfMonth.isWildcard ? () => true : isDayOfMonth;
  if (dayOfMonth.isWildcard) return isDayOfWeek;
  return (...day) => isDayOfMonth(...day) || isDayOfWeek(...day);
}

function maskOf(year: number, month: number, isDay: IsDay): number {
  const lastDay = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  const firstWeekday = new Date(Date.UTC(year, month, 1)).getUTCDay();
  let mask = 0;
  for (let day = 1; day <= lastDay; day++) {
    if (isDay(day, (firstWeekday + day - 1) % 7, lastDay)) mask |= 1 << day;
  }
  return mask;
}

/** Whether it matches any date. 28 years contain every date on every weekday. */
function happens(rule: CronRule): boolean {
  for (let month = 0; month < 12 * 28; month++) {
    if (rule.daysOf(2000 + Math.floor(month / 12), month % 12) !== 0) return true;
  }
  return false;
}
