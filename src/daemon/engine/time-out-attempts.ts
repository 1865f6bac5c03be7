import type { Transition } from "../core/job-machine.ts";
import { decide } from "../core/job-machine.ts";
import { ticketed } from "./commit-lane.ts";
import type { Engine } from "./engine.ts";

/**
 * Ends the attempts that ran past their time limit, whether or not their worker still moves (P9). The worker is told
 * after the commit; its slot stays taken until it says that the handler has ended.
 */
export async function timeOutAttempts(engine: Engine): Promise<void> {
  const now = engine.clock.monotonic();
  const transitions: Transition[] = [];
  for (const session of engine.dispatcher.sessions) {
    for (const lease of session.leases) {
      if (lease.isRevoked || lease.deadline > now) continue;
      const snapshot = { ...lease.job, startedAt: lease.startedAt };
      const transition = decide(snapshot, { kind: "timeout" }, engine.settings, engine.random());
      if (transition !== null) transitions.push(transition);
    }
  }
  if (transitions.length > 0) await ticketed((ticket) => engine.lane.settle(transitions, ticket));
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
