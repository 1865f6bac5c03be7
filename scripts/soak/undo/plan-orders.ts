/** Plans each order of a round from its seed: where it pauses, and whether it fails or is cancelled. */
import type { Random } from "../random.ts";

/** Steps of every order, in the order in which they are done. */
export const STEPS = ["reserve", "charge", "ship", "invoice", "notify"] as const;

/** Between two steps. A plain one begins anew in every execution, a durable one does not. */
export interface Pause {
  readonly kind: "plain" | "durable";
  readonly ms: number;
}

/** Given to the handler as it is: it must do the same in every execution. */
export interface OrderPlan {
  /** Before each step. */
  readonly pauses: readonly Pause[];
  /** Steps that are done before the handler throws; null: it does not. */
  readonly failsAfter: number | null;
  /** From the start of the round; null: it is left alone. */
  readonly cancelAtMs: number | null;
}

const FAILING = 0.25;
const CANCELLED = 0.35;
const DURABLE = 0.2;
/** Short, for they come again in every execution, and a process lives for a quarter of a second at most. */
const PLAIN_MS = [0, 15] as const;
const DURABLE_MS = [20, 150] as const;

/** @param cancelWithinMs how long a round takes about */
export function planOrders(count: number, cancelWithinMs: number, random: Random): readonly OrderPlan[] {
  return Array.from({ length: count }, () => {
    const chance = random.next();
    const isCancelled = chance >= FAILING && chance < FAILING + CANCELLED;
    return {
      pauses: STEPS.map(() => planPause(random)),
      // Behind the last step too.
      failsAfter: chance < FAILING ? Math.floor(random.next() * (STEPS.length + 1)) : null,
      cancelAtMs: isCancelled ? Math.round(random.between(0, cancelWithinMs)) : null,
    };
  });
}

function planPause(random: Random): Pause {
  const kind = random.next() < DURABLE ? "durable" : "plain";
  const [least, most] = kind === "durable" ? DURABLE_MS : PLAIN_MS;
  return { kind, ms: Math.round(random.between(least, most)) };
}
