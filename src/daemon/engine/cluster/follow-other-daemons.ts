import { isTerminal } from "../../core/job.ts";
import type { HintedChange, StoreHint } from "../../storage/seam/cluster.ts";
import type { Engine } from "../engine.ts";
import { hasHandler, notifyHandlers } from "../workers/notify-handlers.ts";

/**
 * Acts on a commit of another daemon: claims jobs that became claimable, revokes handlers whose leases were taken, and
 * notifies those who await jobs that ended. True when the hint names too much to list, so that the caller has to check
 * everything.
 */
export async function applyHint(engine: Engine, hint: StoreHint): Promise<boolean> {
  if (hint.functionNames === "any") engine.dispatcher.markAllReady();
  else for (const name of hint.functionNames) engine.dispatcher.markReady(name);
  if (hint.workerIds === "any") engine.dispatcher.markAllReady();
  else for (const workerId of hint.workerIds) engine.dispatcher.markResumable(workerId);
  engine.lane.wake();
  if (hint.isGap === true) engine.changes.notifyGap();
  if (hint.changes !== undefined) await notifyWatchers(engine, hint.changes);
  if (hint.jobIds === "any") return true;
  await notifyOfMovedJobs(engine, hint.jobIds);
  return false;
}

/** Reads the errors of failed jobs, which are too long for a hint. */
async function notifyWatchers({ changes, store }: Engine, remote: readonly HintedChange[]): Promise<void> {
  if (!changes.isWatched) return;
  const failed = remote.filter(({ hasError }) => hasError).map(({ jobId }) => jobId);
  const errors = new Map(
    failed.length === 0 ? [] : (await store.jobs.getMany(failed)).map((job) => [job.jobId, job.error]),
  );
  changes.notifyWatchers(
    remote.map(({ hasError, ...change }) => ({
      ...change,
      error: hasError ? (errors.get(change.jobId) ?? null) : null,
      result: null,
    })),
  );
}

/** Notifies clients and workers of this daemon about jobs that another daemon may have changed. */
export async function notifyOfMovedJobs(engine: Engine, jobIds: readonly string[]): Promise<void> {
  const { changes, dispatcher } = engine;
  const ours = jobIds.filter((jobId) => changes.isAwaited(jobId) || hasHandler(dispatcher, jobId));
  if (ours.length === 0) return;
  const jobs = await engine.store.jobs.getMany(ours);
  for (const job of jobs) {
    notifyHandlers(dispatcher, job);
    if (isTerminal(job.state)) changes.notifyEnd(job.jobId, job);
  }
  const found = new Set(jobs.map((job) => job.jobId));
  for (const jobId of ours) if (!found.has(jobId)) changes.notifyEnd(jobId, null);
}
