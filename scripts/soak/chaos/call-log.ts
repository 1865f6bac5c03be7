/**
 * What callers tried, what was answered and how long that took, one line each: `t CALL AT` before a call, then
 * `a CALL AT MS JOB_ID` when it was acknowledged or `x CALL AT MS CODE` when it was refused, and `r CALL AT MS CODE` for
 * the wait for its result (`ok`, or the error's code). Half a line at the end does not count.
 */

/** How a call, or a wait for a result, ended. */
export interface Ended {
  readonly call: string;
  /** Wall clock of its end, milliseconds. */
  readonly at: number;
  readonly tookMs: number;
  /** The error's code; "ok" without an error. */
  readonly code: string;
}

/** A log as it was found. */
export interface CallLog {
  readonly tried: ReadonlySet<string>;
  /** Call to job id. */
  readonly acknowledged: ReadonlyMap<string, string>;
  readonly calls: readonly Ended[];
  readonly waits: readonly Ended[];
}

/** Half a line at the end is left out. */
export function readCallLog(text: string): CallLog {
  const tried = new Set<string>();
  const acknowledged = new Map<string, string>();
  const calls: Ended[] = [];
  const waits: Ended[] = [];
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  for (const line of whole.split("\n")) {
    const [kind, call = "", at, tookMs, rest = ""] = line.split(" ");
    const ended = { call, at: Number(at), tookMs: Number(tookMs), code: kind === "a" ? "ok" : rest };
    if (kind === "t") tried.add(call);
    if (kind === "a") acknowledged.set(call, rest);
    if (kind === "a" || kind === "x") calls.push(ended);
    if (kind === "r") waits.push(ended);
  }
  return { tried, acknowledged, calls, waits };
}
