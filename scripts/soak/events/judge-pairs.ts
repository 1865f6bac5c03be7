import type { Pair } from "./plan-pairs.ts";
import type { StoredWait } from "./read-waits.ts";

/** The answer to an emit. */
export interface Kept {
  /** The payload that the daemon keeps. */
  readonly payload: string;
  readonly created: boolean;
  /** When the emitter received the answer, on the database's clock, which is also this machine's. */
  readonly answeredAt: number;
}

export interface PairEnd {
  readonly pair: Pair;
  readonly jobId: string;
  /** The payload; null at the timeout. */
  readonly told: string | null;
  readonly kept: readonly Kept[];
}

/**
 * Returns one line per fault.
 *
 * @param log one line for each value that a handler received
 */
export function judgePairs(
  ends: readonly PairEnd[],
  log: readonly string[],
  waits: readonly StoredWait[],
): readonly string[] {
  const said = Map.groupBy(log, (line) => line.split(" ")[0] ?? "");
  const stored = Map.groupBy(waits, (wait) => wait.jobId);
  return ends.flatMap((end) => [
    ...judgePayload(end),
    ...judgeExecutions(end, said.get(end.jobId) ?? []),
    ...judgeWait(end, stored.get(end.jobId) ?? []),
  ]);
}

/** All emitters and the job get one payload. */
function judgePayload({ pair, told, kept }: PairEnd): readonly string[] {
  const payloads = [...new Set(kept.map((one) => one.payload))];
  const name = pair.eventName;
  if (payloads.length > 1) return [`${name}: emitters got different payloads: ${payloads.join(", ")}`];
  if (kept.filter((one) => one.created).length > 1) return [`${name}: was created more than once`];
  if (told === null) return pair.timeoutMs === null ? [`${name}: a wait without a timeout ended without payload`] : [];
  return told === payloads[0] ? [] : [`${name}: the wait got ${told}, the event is ${payloads[0] ?? "unknown"}`];
}

/** A replayed handler receives the same payload again. */
function judgeExecutions({ pair, told }: PairEnd, lines: readonly string[]): readonly string[] {
  const answers = [...new Set(lines.map((line) => line.split(" ").slice(1).join(" ")))];
  const expected = told ?? "late";
  if (answers.length === 1 && answers[0] === expected) return [];
  return [`${pair.eventName}: its handlers got ${answers.join(" and ") || "nothing"}, the result is ${expected}`];
}

/**
 * The wait ended once, and at its timeout if and only if the event had not happened by then. An emit whose commit was
 * in progress at that time may have been too late, even though its record has the time at which it began.
 */
function judgeWait({ pair, told, kept }: PairEnd, waits: readonly StoredWait[]): readonly string[] {
  const [wait] = waits;
  const name = pair.eventName;
  if (wait === undefined || waits.length > 1) return [`${name}: ${waits.length} waits are stored for it`];
  const { dueAt, endedAt, timedOut, emittedAt, payload } = wait;
  if (endedAt === null) return [`${name}: its wait is still open`];
  if ((told === null) !== timedOut) return [`${name}: the result is ${told}, the record says timed out: ${timedOut}`];
  if (!timedOut) {
    if (wait.told !== payload) return [`${name}: the record says ${wait.told}, the event is ${payload}`];
    const isPast = dueAt !== null && emittedAt !== null && emittedAt > dueAt;
    return isPast ? [`${name}: got an event from ${emittedAt - dueAt} ms after its timeout`] : [];
  }
  if (dueAt === null || endedAt < dueAt) return [`${name}: timed out at ${endedAt}, its timeout is ${dueAt}`];
  const answeredAt = Math.min(...kept.map((one) => one.answeredAt));
  return answeredAt < dueAt ? [`${name}: timed out, though its event was known ${dueAt - answeredAt} ms before`] : [];
}
