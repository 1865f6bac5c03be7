/** Undo jobs: a job that ended DEAD or CANCELLED has its steps undone by one. */
import type { Job, RetryPolicy } from "./job.ts";

/** How undo jobs are retried, whatever the job itself was allowed. */
export const UNDO_POLICY = {
  maxAttempts: 10,
  backoff: "exponential",
  initialDelayMs: 1_000,
  maxDelayMs: 60_000,
  jitter: 0.1,
} as const satisfies RetryPolicy & { readonly maxAttempts: number };

/**
 * Whether the undo job may have undone steps, recorded or not: a worker has had it. What its job recorded may not be true
 * any more, so that the job can go on from it only when nothing was begun.
 */
export function mayHaveUndone({ attempt }: Pick<Job, "attempt">): boolean {
  return attempt > 0;
}

/** The undo job has ended, and what its job did may be undone in part, or not at all. */
export function isHalfUndone(undo: Pick<Job, "attempt" | "state">): boolean {
  return undo.state === "DEAD" || (undo.state === "CANCELLED" && mayHaveUndone(undo));
}

/** What stands between a job and its undo job in time. */
type Ended = Pick<Job, "jobId" | "state" | "finishedAt">;

/**
 * The undo job that the last end of the job brought about; null when it brought about none. Those of earlier ends, from
 * before a retry, have nothing to do with what is recorded now.
 */
export function findCurrentUndo<Undo extends Pick<Job, "undoOf" | "createdAt">>(
  { jobId, state, finishedAt }: Ended,
  undoJobs: readonly Undo[],
): Undo | null {
  if ((state !== "DEAD" && state !== "CANCELLED") || finishedAt === null) return null;
  return undoJobs.find((undo) => undo.undoOf === jobId && undo.createdAt >= finishedAt) ?? null;
}
