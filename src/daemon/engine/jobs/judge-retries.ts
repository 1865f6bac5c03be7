import { DaemonError } from "../../core/errors.ts";
import { findCurrentUndo, isHalfUndone } from "../../core/undo-job.ts";
import { isTerminal, type Job } from "../../core/job.ts";
import type { Transaction } from "../../storage/seam/store.ts";

/** Of the store, or of a transaction that acts on what they say. */
export interface JudgeReads {
  readonly jobs: Pick<Transaction["jobs"], "getMany">;
  readonly workflows: Pick<Transaction["workflows"], "listUndoJobs">;
}

/** What may be retried of some jobs, as far as undo jobs are concerned. */
export interface RetryVerdict {
  readonly allowed: readonly Job[];
  /** Of those, the ones whose steps were undone: they begin anew. */
  readonly undone: readonly string[];
  /** Why others may not be, by their ids. */
  readonly refusals: ReadonlyMap<string, DaemonError>;
}

/**
 * A job is not retried while its steps are being undone, nor after that failed or was cancelled half-way; one whose steps
 * were undone is retried from nothing. An undo job is retried only as long as it undoes the last end of its job.
 */
export async function judgeRetries(tx: JudgeReads, jobs: readonly Job[]): Promise<RetryVerdict> {
  const undoJobs = await tx.workflows.listUndoJobs(jobs.map(({ jobId }) => jobId));
  const undone: string[] = [];
  const refusals = new Map<string, DaemonError>();
  for (const job of jobs) {
    const undo = findCurrentUndo(job, undoJobs);
    if (undo?.state === "SUCCESS") undone.push(job.jobId);
    else if (undo !== null && (!isTerminal(undo.state) || isHalfUndone(undo)))
      refusals.set(job.jobId, isBeingUndone(job, undo));
  }
  for (const refusal of await judgeUndoJobs(tx, jobs, refusals)) refusals.set(...refusal);
  return { allowed: jobs.filter(({ jobId }) => !refusals.has(jobId)), undone, refusals };
}

/** @param refused jobs among these that stay as they are */
async function judgeUndoJobs(
  tx: JudgeReads,
  jobs: readonly Job[],
  refused: ReadonlyMap<string, unknown>,
): Promise<readonly (readonly [string, DaemonError])[]> {
  const undoing = jobs.flatMap((job) => (job.undoOf === null ? [] : [{ job, undoOf: job.undoOf }]));
  if (undoing.length === 0) return [];
  const ended = new Map((await tx.jobs.getMany(undoing.map(({ undoOf }) => undoOf))).map((job) => [job.jobId, job]));
  const retried = new Set(jobs.map(({ jobId }) => jobId).filter((jobId) => !refused.has(jobId)));
  return undoing.flatMap(({ job, undoOf }) => {
    const of = ended.get(undoOf);
    if (of !== undefined && !retried.has(undoOf) && findCurrentUndo(of, [job]) !== null) return [];
    return [[job.jobId, hasNothingToUndo(job, undoOf, of)] as const];
  });
}

function isBeingUndone({ jobId, state }: Job, undo: Job): DaemonError {
  return new DaemonError("failed_precondition", `job ${jobId} is ${state}: ${whyNot(undo)}`, {
    metadata: { jobId, state, undoJobId: undo.jobId, undoState: undo.state },
  });
}

function whyNot({ jobId, state }: Job): string {
  switch (state) {
    case "DEAD":
      return `its steps were to be undone by job ${jobId}, which is DEAD; retry that one, which goes on undoing`;
    case "CANCELLED":
      return (
        `some of its steps may be undone already, as job ${jobId} had begun to undo them when it was cancelled; ` +
        `retry that one, which goes on undoing, and then this one, which starts from nothing`
      );
    default:
      return `its steps are being undone by job ${jobId}, which is ${state}; wait for its end`;
  }
}

function hasNothingToUndo({ jobId, state }: Job, undoOf: string, of: Job | undefined): DaemonError {
  const why = of === undefined ? "is gone" : "was retried since";
  return new DaemonError(
    "failed_precondition",
    `job ${jobId} undoes steps of job ${undoOf}, which ${why}: there is nothing left for it to undo`,
    { metadata: { jobId, state, undoOf } },
  );
}
