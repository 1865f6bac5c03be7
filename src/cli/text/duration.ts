const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/y;

/**
 * Parses a duration such as `500ms`, `10s`, `1.5h`, `1h30m` or `0` to milliseconds, rounded; null if the text is not a
 * duration.
 */
export function parseDuration(text: string): number | null {
  if (text === "0") return 0;
  if (text === "") return null;
  let total = 0;
  PART.lastIndex = 0;
  for (let read = 0; read < text.length; read = PART.lastIndex) {
    const part = PART.exec(text);
    if (part === null) return null;
    total += Number(part[1]) * (UNIT_MS[part[2] ?? ""] ?? Number.NaN);
  }
  return Math.round(total);
}

/** A duration in at most two units, the largest that fit, as in `1m 30s`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  if (ms < 10_000) return `${Number((ms / 1_000).toFixed(1))}s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3_600) return pair(seconds, 60, "m", 1, "s");
  if (seconds < 86_400) return pair(seconds, 3_600, "h", 60, "m");
  return pair(seconds, 86_400, "d", 3_600, "h");
}

function pair(seconds: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((seconds % large) / small);
  return rest === 0
    ? `${Math.floor(seconds / large)}${largeUnit}`
    : `${Math.floor(seconds / large)}${largeUnit} ${rest}${smallUnit}`;
}
