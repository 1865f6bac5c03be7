import type { NewJob } from "../seam/jobs.ts";

/** Earliest start of a job that is enqueued now. */
export function runAtOf({ options }: NewJob, now: number): number {
  return Math.ceil(options.runAt ?? now + (options.delayMs ?? 0));
}

export function isReady(item: NewJob, now: number): boolean {
  return runAtOf(item, now) <= now;
}
