import type { JobToStore } from "./job-store.ts";

/** Earliest start of a job that is enqueued now. */
export function runAtOf({ options }: JobToStore, now: number): number {
  return Math.ceil(options.runAt ?? now + (options.delayMs ?? 0));
}

export function isReady(item: JobToStore, now: number): boolean {
  return runAtOf(item, now) <= now;
}
