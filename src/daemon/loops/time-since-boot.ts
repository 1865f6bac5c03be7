import { readFileSync } from "node:fs";

/**
 * Milliseconds since the machine started, including the time that it slept, to the hundredth of a second. Null where
 * the system does not provide it: only Linux does.
 */
export function timeSinceBoot(): number | null {
  try {
    const seconds = Number.parseFloat(readFileSync("/proc/uptime", "latin1"));
    return Number.isFinite(seconds) ? seconds * 1000 : null;
  } catch {
    return null;
  }
}
