import { decide } from "../../core/job-machine.ts";
import type { WorkerSession } from "../dispatch/worker-session.ts";
import type { Engine } from "../engine.ts";
import { settleKind } from "../jobs/settle-attempts.ts";

/**
 * Leases no more jobs to the worker, and releases those whose checkpoints are still being read for it.
 *
 * @param onDrained called when nothing more is sent to it: what a commit in progress claimed for it has been sent, or
 *   has been released on disk. A worker that disconnects before that counts as lost with jobs that it never received.
 */
export function drainWorker(engine: Engine, session: WorkerSession, onDrained: () => void): void {
  session.isDraining = true;
  const release = (): void => {
    const unsent = session.leasesInTransit();
    for (const held of unsent) session.remove(held);
    const releases = unsent.map((held) => decide(held.job, { kind: "release", started: false }));
    const settlements = releases.flatMap((transition) => (transition === null ? [] : [{ transition, park: null }]));
    if (settlements.length === 0) onDrained();
    // If the store fails, the lane reports it, and the lease check or the worker's end gives the jobs back.
    else engine.lane.submit(settleKind, settlements, { done: onDrained, failed: onDrained });
  };
  // Behind the commit in progress: an entry without items belongs to the next one.
  engine.lane.submit(settleKind, [], { done: release, failed: release });
}
