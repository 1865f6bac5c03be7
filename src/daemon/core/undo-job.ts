/** An undo job undoes the steps of a job that ended DEAD or CANCELLED. */
import type { Job, RetryPolicy } from "./job.ts";

/** The retry policy of undo jobs, whatever the undone job had. */
export const UNDO_POLICY = {
  maxAttempts: 10,
  backoff: "exponential",
  initialDelayMs: 1_000,
  maxDelayMs: 60_000,
  jitter: 0.1,
} as const satisfies RetryPolicy & { readonly maxAttempts: number };

/**
 * Whether the undo job may have undone steps, because a worker has had it. Then the records of its job may no longer be
 * true, and the job cannot continue from them.
 */
export function mayHaveUndone({ attempt }: Pick<Job, "attempt">): boolean {
  return attempt > 0;
}

/** Whether the undo job ended and may have undone only a part of its job's steps, or none. */
export function isHalfUndone(undo: Pick<Job, "attempt" | "state">): boolean {
  return undo.state === "DEAD" || (undo.state === "CANCELLED" && mayHaveUndone(undo));
}

/** The fields of a job that link it to its undo job. */
type Ended = Pick<Job, "jobId" | "state" | "finishedAt">;

/**
 * The undo job that the last end of the job created; null when there is none. Undo jobs from before a retry do not
 * concern the present records.
 */
export function findCurrentUndo<Undo extends Pick<Job, "undoOf" | "createdAt">>(
  { jobId, state, finishedAt }: Ended,
  undoJobs: readonly Undo[],
): Undo | null {
  if ((state !== "DEAD" && state !== "CANCELLED") || finishedAt === null) return null;
  return undoJobs.find((undo) => undo.undoOf === jobId && undo.createdAt >= finishedAt) ?? null;
}
