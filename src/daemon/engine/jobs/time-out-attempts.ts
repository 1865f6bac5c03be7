import { decide, type Transition } from "../../core/job-machine.ts";
import type { HeldLease } from "../dispatch/worker-session.ts";
import type { Engine } from "../engine.ts";
import { settleKind } from "./settle-attempts.ts";

/**
 * Ends attempts that ran past their time limit, whether or not their worker still responds (P9). The worker is notified
 * after the commit; its slot stays occupied until it reports that the handler has ended.
 */
export async function timeOutAttempts(engine: Engine): Promise<void> {
  const late = lateAttempts(engine);
  if (late.length === 0) return;
  const settlements = late.map(({ transition }) => ({ transition, park: null }));
  const outcomes = await engine.lane.write(settleKind, settlements);
  // Another daemon took the job from this lease, so it no longer times out here; the lease check notifies the worker.
  for (const [index, { lease }] of late.entries()) if (outcomes[index] === "stale") lease.deadline = Infinity;
}

function lateAttempts(engine: Engine): readonly { readonly lease: HeldLease; readonly transition: Transition }[] {
  const now = engine.clock.monotonic();
  return [...engine.dispatcher.sessions].flatMap((session) =>
    [...session.leases].flatMap((lease) => {
      if (lease.isRevoked || lease.deadline > now) return [];
      const snapshot = { ...lease.job, startedAt: lease.startedAt };
      const transition = decide(snapshot, { kind: "timeout" }, engine.settings, engine.random());
      return transition === null ? [] : [{ lease, transition }];
    }),
  );
}

/** The nearest deadline of a running attempt, on the monotonic clock; Infinity when there is none. */
export function nearestDeadline(engine: Engine): number {
  let nearest = Infinity;
  for (const session of engine.dispatcher.sessions) {
    for (const lease of session.leases) {
      if (!lease.isRevoked && lease.deadline < nearest) nearest = lease.deadline;
    }
  }
  return nearest;
}
