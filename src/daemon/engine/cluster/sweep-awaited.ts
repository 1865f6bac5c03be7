import { isTerminal } from "../../core/job.ts";
import type { JobStatus } from "../../storage/seam/jobs.ts";
import type { Engine } from "../engine.ts";
import { listParkedJobIds, wasTakenOver } from "../workers/notify-handlers.ts";
import { notifyOfMovedJobs } from "./follow-other-daemons.ts";

/** IDs per query: a few milliseconds of the store's time. */
const SLICE = 1_000;
/** A sweep uses at most this fraction (1 / SHARE) of the store's time, however many jobs are awaited. */
const SHARE = 10;

/**
 * Finds awaited jobs that ended through other daemons, and parked jobs that ended or went elsewhere, when their hints
 * were lost.
 */
export async function sweepAwaited(engine: Engine): Promise<void> {
  const { changes, dispatcher, store } = engine;
  const jobIds = [...new Set([...changes.awaitedJobIds, ...listParkedJobIds(dispatcher)])];
  for (let start = 0; start < jobIds.length; start += SLICE) {
    const slice = jobIds.slice(start, start + SLICE);
    const askedAt = engine.clock.monotonic();
    const live = new Set<string>();
    for (const status of await store.jobs.listStatuses(slice)) if (isUnchanged(engine, status)) live.add(status.jobId);
    await notifyOfMovedJobs(
      engine,
      slice.filter((jobId) => !live.has(jobId)),
    );
    if (start + SLICE < jobIds.length) await pause((engine.clock.monotonic() - askedAt) * (SHARE - 1));
  }
}

function isUnchanged({ dispatcher }: Engine, status: JobStatus): boolean {
  return !isTerminal(status.state) && !wasTakenOver(dispatcher, status);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
