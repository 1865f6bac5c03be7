import { isTerminal, type Job } from "../../core/job.ts";
import { findCurrentUndo, isHalfUndone } from "../../core/undo-job.ts";
import type { JudgeReads } from "./judge-retries.ts";

/**
 * The jobs that undo jobs allow to be deleted: not one that is being undone, and one whose undo job failed, or was
 * cancelled half-way, only together with that undo job, as nobody could continue to undo it. An undo job is deleted
 * with the job whose last end it undid, or after it.
 */
export async function judgeDeletes(reads: JudgeReads, jobs: readonly Job[]): Promise<readonly Job[]> {
  const undoJobs = await reads.workflows.listUndoJobs(jobs.map(({ jobId }) => jobId));
  const asked = new Set(jobs.map(({ jobId }) => jobId));
  const undone = jobs.flatMap(({ undoOf }) => (undoOf === null || asked.has(undoOf) ? [] : [undoOf]));
  const staying = new Map((undone.length === 0 ? [] : await reads.jobs.getMany(undone)).map((job) => [job.jobId, job]));
  return jobs.filter((job) => {
    const of = staying.get(job.undoOf ?? "");
    if (of !== undefined && findCurrentUndo(of, [job]) !== null) return false;
    const undo = findCurrentUndo(job, undoJobs);
    return undo === null || (isTerminal(undo.state) && (!isHalfUndone(undo) || asked.has(undo.jobId)));
  });
}
