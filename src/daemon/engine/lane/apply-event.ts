import { decide, type Transition, type UnconditionalEvent } from "../../core/job-machine.ts";
import type { Job } from "../../core/job.ts";
import type { LaneTransaction } from "./lane-transaction.ts";

/** Applies an event to jobs whose states allow it. Returns the IDs of those that changed. */
export function applyEvent(
  lane: LaneTransaction,
  jobs: readonly Job[],
  event: UnconditionalEvent,
): Promise<readonly string[]> {
  return applyDecisions(
    lane,
    jobs.map((job) => decide(job, event)),
  );
}

/** Applies decisions, without the refusals. Returns the IDs of jobs that changed. */
export async function applyDecisions(
  lane: LaneTransaction,
  decisions: readonly (Transition | null)[],
): Promise<readonly string[]> {
  const transitions = decisions.filter((transition) => transition !== null);
  if (transitions.length === 0) return [];
  const applied = await lane.apply(transitions);
  return transitions.filter((_, index) => applied[index] === true).map(({ jobId }) => jobId);
}
