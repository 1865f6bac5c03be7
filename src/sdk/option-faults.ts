import { ReseolioError } from "./errors.ts";

/** Checks of single options: each adds a fault with the option's name, its value and what is right. */

export function checkWhole(name: string, value: unknown, min: number, max: number, faults: string[]): void {
  if (value === undefined) return;
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return;
  faults.push(`option ${name} is ${show(value)}; give a whole number from ${min} to ${max}`);
}

export function checkChoice(name: string, value: unknown, choices: object, faults: string[]): void {
  if (value === undefined || (typeof value === "string" && Object.hasOwn(choices, value))) return;
  faults.push(`option ${name} is ${show(value)}; give one of ${Object.keys(choices).join(", ")}`);
}

export function checkDate(name: string, value: unknown, faults: string[]): void {
  if (value === undefined || (value instanceof Date && value.getTime() >= 0)) return;
  faults.push(`option ${name} is ${show(value)}; give a valid Date`);
}

export function checkNames(options: object, names: ReadonlySet<string>, faults: string[]): void {
  for (const name of Object.keys(options)) {
    if (!names.has(name)) faults.push(`option ${name} does not exist; the options are ${[...names].join(", ")}`);
  }
}

/** @throws ReseolioError `invalid_argument` for what is no length of time that the daemon knows */
export function checkMs(name: string, value: unknown): number {
  if (typeof value === "number" && value >= 0 && value <= MAX_LENGTH_MS) return value;
  throw new ReseolioError(
    "invalid_argument",
    `${name} is ${show(value)}; give milliseconds from 0 to ${MAX_LENGTH_MS}`,
  );
}

/** A hundred years. */
const MAX_LENGTH_MS = 100 * 365.25 * 24 * 3_600_000;

/** A value as a message shows it. */
export function show(value: unknown): string {
  if (typeof value === "number" || typeof value === "bigint" || value instanceof Date) return String(value);
  return JSON.stringify(value) ?? String(value);
}
