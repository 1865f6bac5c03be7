/** Flag texts to values; each fault is a usage error that names the flag, the text and what is right. */
import { usageError } from "../exit.ts";
import { parseDuration } from "../text/duration.ts";
import { parseInstant } from "../text/instant.ts";

/** Milliseconds of a length; undefined when the flag is absent. */
export function durationFlag(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms !== null) return ms;
  const bare = /^\d+(\.\d+)?$/.test(text) ? `: the unit is missing, such as ${text}s or ${text}ms` : "";
  throw usageError(
    `--${name} is ${JSON.stringify(text)}${bare}`,
    "give a length such as 500ms, 10s, 10m, 2h, 1d or 1h30m",
  );
}

/** A number within bounds; undefined when the flag is absent. */
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
  throw usageError(`--${name} is ${JSON.stringify(text)}`, `give ${kind} from ${bounds.min} to ${bounds.max}`);
}

/** Milliseconds since the epoch; undefined when the flag is absent. */
export function instantFlag(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const at = parseInstant(text);
  if (at !== null) return at;
  throw usageError(`--${name} is ${JSON.stringify(text)}`, INSTANT_HINT);
}

/** The same, and a length means that long ago. */
export function pastFlag(name: string, text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const length = parseDuration(text);
  if (length !== null) return now - length;
  const at = parseInstant(text);
  if (at !== null) return at;
  throw usageError(`--${name} is ${JSON.stringify(text)}`, `${INSTANT_HINT}, or how long ago: 10m, 2h, 7d`);
}

const INSTANT_HINT = "give an ISO time such as 2026-11-21T09:00:00Z";
