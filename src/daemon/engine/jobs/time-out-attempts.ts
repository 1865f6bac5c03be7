import type { Transition } from "../../core/job-machine.ts";
import { decide } from "../../core/job-machine.ts";
import type { Engine } from "../engine.ts";
import type { HeldLease } from "../dispatch/worker-session.ts";
import { settleKind } from "./settle-attempts.ts";

/**
 * Ends the attempts that ran past their time limit, whether or not their worker still moves (P9). The worker is told
 * after the commit; its slot stays taken until it says that the handler has ended.
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

/** On the monotonic clock: the nearest deadline of a running attempt; Infinity when none has one. */
export function nearestDeadline(engine: Engine): number {
  let nearest = Infinity;
  for (const session of engine.dispatcher.sessions) {
    for (const lease of session.leases) {
      if (!lease.isRevoked && lease.deadline < nearest) nearest = lease.deadline;
    }
  }
  return nearest;
}
