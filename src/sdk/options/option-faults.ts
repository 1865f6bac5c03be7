import { MAX_DURATION_MS } from "#proto/contract.ts";
import type { Bounds } from "#proto/job-options.ts";
import { ReseolioError } from "../errors.ts";

/** Checks of single options: each adds a fault with the option's name, its value and what is right. */

export function checkWhole(name: string, value: unknown, { min, max }: Bounds, faults: string[]): void {
  if (value === undefined) return;
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return;
  faults.push(`option ${name} is ${show(value)}; use a whole number from ${min} to ${max}`);
}

export function checkFraction(name: string, value: unknown, { min, max }: Bounds, faults: string[]): void {
  if (value === undefined || (typeof value === "number" && value >= min && value <= max)) return;
  faults.push(`option ${name} is ${show(value)}; use a number from ${min} to ${max}`);
}

export function checkChoice(name: string, value: unknown, choices: readonly string[], faults: string[]): void {
  if (value === undefined || (typeof value === "string" && choices.includes(value))) return;
  faults.push(`option ${name} is ${show(value)}; use one of ${choices.join(", ")}`);
}

export function checkDate(name: string, value: unknown, faults: string[]): void {
  if (value === undefined || (isTime(value) && value.getTime() >= 0)) return;
  faults.push(`option ${name} is ${show(value)}; use a Date from 1970 to 9999`);
}

/**
 * @param what begins the message, such as `step "charge":`
 * @throws ReseolioError `invalid_argument` unless `options` is an object: its readers would throw unhelpful errors
 */
export function checkOptions(options: unknown, what = ""): void {
  if (typeof options === "object" && options !== null && !Array.isArray(options)) return;
  const text = typeof options === "function" ? "a function" : show(options);
  const message = `the options are ${text}; pass an object, or leave them out`;
  throw new ReseolioError("invalid_argument", what === "" ? message : `${what} ${message}`);
}

export function checkNames(options: object, names: ReadonlySet<string>, faults: string[]): void {
  checkOptions(options);
  for (const name of Object.keys(options)) {
    if (!names.has(name)) faults.push(`option ${name} does not exist; the options are ${[...names].join(", ")}`);
  }
}

/** @throws ReseolioError `invalid_argument` for anything but a duration within the limits */
export function checkMs(name: string, value: unknown): number {
  if (typeof value === "number" && value >= 0 && value <= MAX_DURATION_MS) return value;
  throw new ReseolioError(
    "invalid_argument",
    `${name} is ${show(value)}; use milliseconds from 0 to ${MAX_DURATION_MS}`,
  );
}

/**
 * Milliseconds since the epoch.
 *
 * @throws ReseolioError `invalid_argument` for anything but a Date that the protocol can represent
 */
export function checkTime(name: string, value: unknown): number {
  if (isTime(value)) return value.getTime();
  throw new ReseolioError("invalid_argument", `${name} is ${show(value)}; use a Date up to the year 9999`);
}

function isTime(value: unknown): value is Date {
  return value instanceof Date && value.getTime() >= MIN_TIME && value.getTime() <= MAX_TIME;
}

/** The range of a google.protobuf.Timestamp. */
const MIN_TIME = Date.parse("0001-01-01T00:00:00Z");
const MAX_TIME = Date.parse("9999-12-31T23:59:59.999Z");

/** A value as a message shows it. */
export function show(value: unknown): string {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? String(value) : value.toISOString();
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  const text = textOf(value);
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}…`;
}

const MAX_SHOWN = 200;

/** A message about a bad value must not fail on it. */
function textOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return `an unreadable ${typeof value}`;
  }
}
