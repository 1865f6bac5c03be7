import { readFileSync } from "node:fs";

/**
 * Milliseconds since the machine started, the time that it slept included; to the hundredth of a second. Null where the
 * system does not tell (only Linux does).
 */
export function timeSinceBoot(): number | null {
  try {
    const seconds = Number.parseFloat(readFileSync("/proc/uptime", "latin1"));
    return Number.isFinite(seconds) ? seconds * 1000 : null;
  } catch {
    return null;
  }
}
