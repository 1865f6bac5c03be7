import { ReseolioError } from "../sdk/errors.ts";

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * Milliseconds of a duration such as `500ms`, `10s`, `1h30m` or `30d`; numbers are milliseconds already.
 *
 * @throws ReseolioError `invalid_argument` that shows the value
 */
export function durationMs(duration: string | number): number {
  const ms = typeof duration === "number" ? duration : parseDuration(duration);
  if (Number.isFinite(ms) && ms >= 0) return Math.round(ms);
  throw new ReseolioError(
    "invalid_argument",
    `${JSON.stringify(duration)} is not a duration; use milliseconds, or a string such as 500ms, 10s, 1h30m or 30d`,
  );
}

function parseDuration(text: string): number {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return Number.NaN;
  const parts = text.matchAll(/([\d.]+)([a-z]+)/g);
  return [...parts].reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_MS[unit ?? ""] ?? Number.NaN), 0);
}
