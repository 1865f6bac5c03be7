import { DaemonError } from "../../core/errors.ts";
import { isTerminal, type Job } from "../../core/job.ts";
import { findCurrentUndo, isHalfUndone } from "../../core/undo-job.ts";
import type { Transaction } from "../../storage/seam/store.ts";

/** Reads by the store, or by a transaction that acts on the answers. */
export interface JudgeReads {
  readonly jobs: Pick<Transaction["jobs"], "getMany">;
  readonly workflows: Pick<Transaction["workflows"], "listUndoJobs">;
}

/** Which of some jobs their undo jobs allow to be retried. */
export interface RetryVerdict {
  readonly allowed: readonly Job[];
  /** IDs of allowed jobs whose steps were undone: they start from scratch. */
  readonly undone: readonly string[];
  /** Reasons why others are refused, by their IDs. */
  readonly refusals: ReadonlyMap<string, DaemonError>;
}

/**
 * Refuses a job while its steps are being undone, and after that failed or was cancelled half-way. A job whose steps
 * were undone starts from scratch. An undo job is retried only while it undoes the last end of its job.
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

/** @param refused jobs that are not retried */
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
      return `its steps were not all undone because job ${jobId} is DEAD; retry that job to continue undoing`;
    case "CANCELLED":
      return (
        `some of its steps may already be undone, because job ${jobId} had begun to undo them when it was cancelled; ` +
        `retry that one to continue undoing, and then this one, which starts from scratch`
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
