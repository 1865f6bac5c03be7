import type { Transition } from "../../core/job-machine.ts";
import type { NewJob } from "../../storage/seam/jobs.ts";
import type { Transaction } from "../../storage/seam/store.ts";
import type { StoredJob } from "../../storage/seam/workflows.ts";

/** What one transaction has done to jobs so far. */
export interface JobWrites {
  /** Jobs that callers enqueued. */
  readonly stored: NewJob[];
  readonly transitions: Transition[];
  /** Jobs that undo the steps of jobs that ended; ready at once. */
  readonly undoJobs: StoredJob[];
}

/**
 * Applies guarded writes and adds them to the transaction's. Also stores, in the same transaction, the job that undoes
 * the steps of each job that ends DEAD or CANCELLED.
 *
 * @param newJobId makes IDs of undo jobs
 */
export async function applyTransitions(
  tx: Transaction,
  transitions: readonly Transition[],
  writes: Pick<JobWrites, "transitions" | "undoJobs">,
  newJobId: () => string,
): Promise<readonly boolean[]> {
  const results = await tx.jobs.applyTransitions(transitions);
  const done = transitions.filter((_, index) => results[index] === true);
  writes.transitions.push(...done);
  const ended = done.filter(mayHaveSteps);
  if (ended.length === 0) return results;
  const items = ended.map(({ jobId }) => ({ jobId, undoId: newJobId() }));
  writes.undoJobs.push(...(await tx.workflows.storeUndoJobs(items)));
  return results;
}

/** A job that was never leased has recorded nothing. */
function mayHaveSteps({ change, expected }: Transition): boolean {
  return (change.state === "DEAD" || change.state === "CANCELLED") && expected.leaseToken > 0;
}
