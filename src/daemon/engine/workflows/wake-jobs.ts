import { RESUME_GRACE_MS } from "../../core/checkpoint.ts";
import { decide } from "../../core/job-machine.ts";
import type { ParkedJob } from "../../storage/checkpoint-store.ts";
import { applyDecisions } from "../lane/apply-event.ts";
import type { LaneTransaction } from "../lane/lane-transaction.ts";

/**
 * Makes parked jobs claimable again: while the worker that has the handler in memory is there, it alone may take the job
 * for a moment; without it anyone may at once, and replays it from its checkpoints.
 */
export async function wakeJobs(lane: LaneTransaction, parked: readonly ParkedJob[]): Promise<void> {
  await applyDecisions(
    lane,
    parked.map(({ job, isWorkerThere }) => decide(job, { kind: "wake", graceMs: isWorkerThere ? RESUME_GRACE_MS : 0 })),
  );
}

/** Wakes the jobs that waited for what this transaction has ended. */
export async function wakeAwaiters(lane: LaneTransaction): Promise<void> {
  await wakeJobs(lane, await lane.tx.takeAwaiters());
}
