import { RESUME_GRACE_MS } from "../../core/checkpoint.ts";
import { decide } from "../../core/job-machine.ts";
import type { ParkedJob } from "../../storage/seam/workflows.ts";
import type { LaneTransaction } from "../lane/lane-batch.ts";

/**
 * Makes parked jobs claimable again: while the worker that has the handler in memory is there, it alone may take the job
 * for a moment; without it anyone may at once, and replays it from its checkpoints.
 */
export async function wakeJobs(lane: LaneTransaction, parked: readonly ParkedJob[]): Promise<void> {
  if (parked.length === 0) return;
  const transitions = parked
    .map(({ job, isWorkerThere }) =>
      decide(job, { kind: "wake", graceMs: isWorkerThere ? RESUME_GRACE_MS : 0 }, NO_SETTINGS, 0),
    )
    .filter((transition) => transition !== null);
  await lane.apply(transitions);
}

/** Waking depends on none. */
const NO_SETTINGS = { maxLosses: 0 };
