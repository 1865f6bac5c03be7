import type { Random } from "../random.ts";

/** One wait, and what is emitted for it. */
export interface Pair {
  readonly eventName: string;
  /** When the job is stored, after the start of the play. */
  readonly awaitAtMs: number;
  /** Timeout of the wait; null waits for ever. */
  readonly timeoutMs: number | null;
  /** Each with a payload of its own; empty for an event that is never emitted. */
  readonly emits: readonly Emit[];
}

export interface Emit {
  readonly atMs: number;
  readonly payload: string;
  /** Index of the daemon that gets it. */
  readonly daemon: number;
}

const DAEMONS = 2;
/** Maximum time between an event and its wait, in either order. */
const SPREAD_MS = 1_500;
const TIMEOUT_MS = [300, 1_500] as const;

/** Waits and emits in random order: most of them meet, some waits time out, and some events race with the timeout. */
export function planPairs(count: number, lengthMs: number, random: Random): readonly Pair[] {
  return Array.from({ length: count }, (_, index) => planPair(`pair:${index}`, lengthMs, random));
}

function planPair(eventName: string, lengthMs: number, random: Random): Pair {
  const awaitAtMs = random.between(0, lengthMs);
  const kind = random.next();
  const emitOnce = (atMs: number, nth: number): Emit => ({
    atMs: Math.max(0, atMs),
    payload: `${eventName}/${nth}`,
    daemon: Math.floor(random.next() * DAEMONS),
  });
  const around = (): number => awaitAtMs + random.between(-SPREAD_MS, SPREAD_MS);
  if (kind < 0.7) {
    const emits = Array.from({ length: 1 + Math.floor(random.next() * 3) }, (_, nth) => emitOnce(around(), nth));
    return { eventName, awaitAtMs, timeoutMs: null, emits };
  }
  const timeoutMs = Math.round(random.between(...TIMEOUT_MS));
  if (kind < 0.85) return { eventName, awaitAtMs, timeoutMs, emits: [] };
  return { eventName, awaitAtMs, timeoutMs, emits: [emitOnce(awaitAtMs + timeoutMs, 0)] };
}
