import type { Transition } from "../../core/job-machine.ts";
import type { Transaction } from "../../storage/seam/store.ts";
import type { StoredJob } from "../../storage/seam/workflows.ts";

/** What one transaction has done to jobs so far. */
export interface Applied {
  readonly transitions: Transition[];
  /** Jobs that are to undo the steps of those that were ended; ready at once. */
  readonly undoJobs: StoredJob[];
}

/**
 * Guarded writes, added to what is applied. Whatever ends a job DEAD or CANCELLED, what undoes its steps is stored in the
 * same transaction.
 *
 * @param newJobId makes an id for an undo job
 */
export async function applyTransitions(
  tx: Transaction,
  transitions: readonly Transition[],
  applied: Applied,
  newJobId: () => string,
): Promise<readonly boolean[]> {
  const results = await tx.jobs.applyTransitions(transitions);
  const done = transitions.filter((_, index) => results[index] === true);
  applied.transitions.push(...done);
  const ended = done.filter(mayHaveSteps);
  if (ended.length === 0) return results;
  const items = ended.map(({ jobId }) => ({ jobId, undoId: newJobId() }));
  applied.undoJobs.push(...(await tx.workflows.storeUndoJobs(items)));
  return results;
}

/** A job that was never leased has recorded nothing. */
function mayHaveSteps({ change, expected }: Transition): boolean {
  return (change.state === "DEAD" || change.state === "CANCELLED") && expected.leaseToken > 0;
}
