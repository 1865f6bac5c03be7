import type { Job } from "../../core/job.ts";
import { isTerminal } from "../../core/job.ts";
import type { JobEnd } from "../lane/change-feed.ts";
import type { Engine } from "../engine.ts";

export type { JobEnd };

export interface EndListener {
  /** Once for each job that is there, at once if it is terminal already. Always asynchronous. */
  onEnded(end: JobEnd): void;
  /** Once for each id that no job has. */
  onMissing(jobId: string): void;
  /** The store could not be read: the jobs' ends may be missed, ask again. */
  onFault(error: unknown): void;
}

export interface Waiting {
  /** Resolves when the jobs that had ended before are told. */
  readonly looked: Promise<void>;
  stop(): void;
  stopOne(jobId: string): void;
}

/** Jobs read at once. */
const SLICE = 100;

/** Waits for the ends of jobs: registers first and reads the store then, so that none is missed between the two. */
export function awaitEnds(engine: Engine, jobIds: readonly string[], listener: EndListener): Waiting {
  const pending = new Map<string, () => void>();
  const tell = (jobId: string, end: JobEnd | null): void => {
    if (!pending.has(jobId)) return;
    forget(pending, jobId);
    if (end === null) listener.onMissing(jobId);
    else listener.onEnded(end);
  };
  for (const jobId of jobIds) {
    pending.set(
      jobId,
      engine.changes.onceEnded(jobId, (end) => tell(jobId, end)),
    );
  }
  // A job that is leased through this daemon has not ended as far as it knows, and its end will be told.
  const unsure = jobIds.filter((jobId) => !engine.dispatcher.isLeased(jobId));
  return {
    looked: look().catch(listener.onFault),
    stopOne: (jobId) => forget(pending, jobId),
    stop: () => {
      for (const jobId of [...pending.keys()]) forget(pending, jobId);
    },
  };

  /** In slices: there may be very many, each with a megabyte, and nobody else should wait for all of them. */
  async function look(): Promise<void> {
    for (let start = 0; start < unsure.length; start += SLICE) {
      if (start > 0) await new Promise((resolve) => setImmediate(resolve));
      const asked = unsure.slice(start, start + SLICE).filter((jobId) => pending.has(jobId));
      if (asked.length > 0) check(asked, await engine.store.jobs.getMany(asked));
    }
  }

  function check(asked: readonly string[], jobs: readonly Job[]): void {
    const found = new Set(jobs.map((job) => job.jobId));
    for (const job of jobs) if (isTerminal(job.state)) tell(job.jobId, job);
    for (const jobId of asked) if (!found.has(jobId)) tell(jobId, null);
  }
}

function forget(pending: Map<string, () => void>, jobId: string): void {
  pending.get(jobId)?.();
  pending.delete(jobId);
}
