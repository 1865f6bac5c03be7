import type { Job } from "../../core/job.ts";
import { findCurrentUndo, mayHaveUndone } from "../../core/undo-job.ts";
import type { Store } from "../../storage/seam/store.ts";

/**
 * Explains what can be done with a DEAD or CANCELLED job, and what becomes of its steps. Returns a clause that follows
 * the job's state.
 */
export async function explainEnd(store: Store, job: Job): Promise<string> {
  const { jobId } = job;
  const undo = findCurrentUndo(job, await store.workflows.listUndoJobs([jobId]));
  if (undo === null) return `reseolio jobs retry ${jobId} runs it again`;
  const by = `job ${undo.jobId}`;
  const together = "; the two can only be deleted together";
  switch (undo.state) {
    case "PENDING":
    case "RUNNING":
    case "SUSPENDED":
      return `its steps are being undone by ${by}, which is ${undo.state}: the job can be retried or deleted after that`;
    case "SUCCESS":
      return `its steps were undone by ${by}; reseolio jobs retry ${jobId} runs it from scratch`;
    case "DEAD":
      return `its steps were not all undone because ${by} is DEAD${errorOf(undo)}; reseolio jobs retry ${undo.jobId} continues undoing${together}`;
    case "CANCELLED":
      return (
        `its steps were not all undone because ${by} is CANCELLED; ` +
        `reseolio jobs retry ${undo.jobId} continues undoing, ` +
        (mayHaveUndone(undo)
          ? `and after that reseolio jobs retry ${jobId} runs it from scratch${together}`
          : `reseolio jobs retry ${jobId} runs it again with what it recorded`)
      );
  }
}

function errorOf({ error }: Job): string {
  return error === null ? "" : ` (${error.name}: ${error.message})`;
}
