import { findCurrentUndo, mayHaveUndone } from "../../core/undo-job.ts";
import type { Job } from "../../core/job.ts";
import type { Store } from "../../storage/seam/store.ts";

/**
 * What can be done with a DEAD or CANCELLED job, and how its steps are undone, if they are: a clause to be put behind its
 * state.
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
      return `its steps are being undone by ${by}, which is ${undo.state}: it can be retried or deleted after that`;
    case "SUCCESS":
      return `its steps were undone by ${by}; reseolio jobs retry ${jobId} starts it from nothing`;
    case "DEAD":
      return `its steps were to be undone by ${by}, which is DEAD${errorOf(undo)}; reseolio jobs retry ${undo.jobId} goes on undoing${together}`;
    case "CANCELLED":
      return (
        `its steps were to be undone by ${by}, which is CANCELLED; reseolio jobs retry ${undo.jobId} goes on undoing, ` +
        (mayHaveUndone(undo)
          ? `and after that reseolio jobs retry ${jobId} starts it from nothing${together}`
          : `reseolio jobs retry ${jobId} runs it again with what it recorded`)
      );
  }
}

function errorOf({ error }: Job): string {
  return error === null ? "" : ` (${error.name}: ${error.message})`;
}
