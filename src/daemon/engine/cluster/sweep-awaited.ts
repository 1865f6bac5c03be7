import { isTerminal } from "../../core/job.ts";
import type { JobStatus } from "../../storage/seam/jobs.ts";
import type { Engine } from "../engine.ts";
import { listParkedJobIds, wasTakenOver } from "../workers/notify-handlers.ts";
import { notifyOfMovedJobs } from "./follow-other-daemons.ts";

/** Ids of one question to the store: a few milliseconds of its time. */
const SLICE = 1_000;
/** A sweep takes at most one part in so many of the store's time, however many jobs are awaited. */
const SHARE = 10;

/**
 * Finds awaited jobs that ended through other daemons, and parked ones that ended or went elsewhere, without a hint that
 * arrived.
 */
export async function sweepAwaited(engine: Engine): Promise<void> {
  const { changes, dispatcher, store } = engine;
  const jobIds = [...new Set([...changes.awaitedJobIds, ...listParkedJobIds(dispatcher)])];
  for (let start = 0; start < jobIds.length; start += SLICE) {
    const slice = jobIds.slice(start, start + SLICE);
    const askedAt = engine.clock.monotonic();
    const live = new Set<string>();
    for (const status of await store.jobs.listStatuses(slice)) if (isAsBefore(engine, status)) live.add(status.jobId);
    await notifyOfMovedJobs(
      engine,
      slice.filter((jobId) => !live.has(jobId)),
    );
    if (start + SLICE < jobIds.length) await pause((engine.clock.monotonic() - askedAt) * (SHARE - 1));
  }
}

function isAsBefore({ dispatcher }: Engine, status: JobStatus): boolean {
  return !isTerminal(status.state) && !wasTakenOver(dispatcher, status);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
