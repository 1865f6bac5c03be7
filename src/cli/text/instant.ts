import { formatDuration } from "./duration.ts";

const ISO = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?)?(Z|[+-]\d{2}:?\d{2})?$/i;

/**
 * Parses an ISO time such as `2026-11-21T09:00:00Z`, `2026-11-21T09:00+01:00` or `2026-11-21` to milliseconds since the
 * epoch; null if the text is not a time or names a day that does not exist. A time without a zone is local time.
 */
export function parseInstant(text: string): number | null {
  const match = ISO.exec(text);
  if (match === null) return null;
  const [, year, month, day, hour, , , zone] = match;
  if (!isDay(Number(year), Number(month), Number(day))) return null;
  if (hour === undefined && zone !== undefined) return null;
  // Date.parse reads a bare date as UTC, but a date with a time and no zone as local time.
  const normal =
    hour === undefined ? `${text}T00:00:00` : text.replace(" ", "T").replace(/([+-]\d{2})(\d{2})$/, "$1:$2");
  const at = Date.parse(normal.toUpperCase());
  return Number.isNaN(at) ? null : at;
}

function isDay(year: number, month: number, day: number): boolean {
  return month >= 1 && month <= 12 && day >= 1 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/** A time relative to now, as in `5m ago` or `in 2s`. */
export function relativeTime(at: number, now: number): string {
  const distance = Math.abs(now - at);
  if (distance < 1_000) return "now";
  const length = formatDuration(Math.floor(distance / 1_000) * 1_000).split(" ")[0] ?? "";
  return at <= now ? `${length} ago` : `in ${length}`;
}
