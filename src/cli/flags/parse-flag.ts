/** Parses flag values. Every usage error names the flag, the invalid text and a valid form. */
import { usageError } from "../exit.ts";
import { parseDuration } from "../text/duration.ts";
import { parseInstant } from "../text/instant.ts";

/** A duration in milliseconds; undefined if the flag is absent. */
export function durationFlag(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms !== null) return ms;
  const bare = /^\d+(\.\d+)?$/.test(text) ? `; the unit is missing: write ${text}s or ${text}ms` : "";
  throw usageError(
    `invalid value for --${name}: ${JSON.stringify(text)}${bare}`,
    "use a duration such as 500ms, 10s, 10m, 2h, 1d or 1h30m",
  );
}

/** A number within bounds; undefined if the flag is absent. */
export function numberFlag(
  name: string,
  text: string | undefined,
  bounds: { readonly min: number; readonly max: number; readonly whole: boolean },
): number | undefined {
  if (text === undefined) return undefined;
  const value = /^[+-]?(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
  const fits = value >= bounds.min && value <= bounds.max && (!bounds.whole || Number.isInteger(value));
  if (fits) return value;
  const kind = bounds.whole ? "a whole number" : "a number";
  throw usageError(
    `invalid value for --${name}: ${JSON.stringify(text)}`,
    `use ${kind} from ${bounds.min} to ${bounds.max}`,
  );
}

/** A time in milliseconds since the epoch; undefined if the flag is absent. */
export function instantFlag(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const at = parseInstant(text);
  if (at !== null) return at;
  throw usageError(`invalid value for --${name}: ${JSON.stringify(text)}`, INSTANT_HINT);
}

/** A time in the past, where a duration means that long ago; undefined if the flag is absent. */
export function pastFlag(name: string, text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const age = parseDuration(text);
  if (age !== null) return now - age;
  const at = parseInstant(text);
  if (at !== null) return at;
  throw usageError(
    `invalid value for --${name}: ${JSON.stringify(text)}`,
    `${INSTANT_HINT}, or a duration for how long ago: 10m, 2h, 7d`,
  );
}

const INSTANT_HINT = "use an ISO 8601 time such as 2026-11-21T09:00:00Z";
