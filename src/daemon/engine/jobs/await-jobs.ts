import { isTerminal, type Job } from "../../core/job.ts";
import type { Engine } from "../engine.ts";
import type { JobEnd } from "../lane/change-feed.ts";

export type { JobEnd };

export interface EndListener {
  /** Called once for each job that exists, soon if it has already ended; never before `awaitEnds` returns. */
  onEnded(end: JobEnd): void;
  /** Called once for each ID that no job has. */
  onMissing(jobId: string): void;
  /** Called when the store could not be read: ends may be missed, so ask again. */
  onFault(error: unknown): void;
}

export interface Waiting {
  /** Resolves when jobs that had ended before are reported. */
  readonly checked: Promise<void>;
  stop(): void;
  stopOne(jobId: string): void;
}

/** Jobs read at once. */
const SLICE = 100;

/** Waits for the ends of jobs. Registers before it reads the store, so that no end is missed between the two. */
export function awaitEnds(engine: Engine, jobIds: readonly string[], listener: EndListener): Waiting {
  const pending = new Map<string, () => void>();
  const report = (jobId: string, end: JobEnd | null): void => {
    if (!pending.has(jobId)) return;
    forget(pending, jobId);
    if (end === null) listener.onMissing(jobId);
    else listener.onEnded(end);
  };
  for (const jobId of jobIds) {
    pending.set(
      jobId,
      engine.changes.onceEnded(jobId, (end) => report(jobId, end)),
    );
  }
  // A job that is leased through this daemon has not ended yet, and the change feed will report its end.
  const unsure = jobIds.filter((jobId) => !engine.dispatcher.isLeased(jobId));
  return {
    checked: checkAll().catch(listener.onFault),
    stopOne: (jobId) => forget(pending, jobId),
    stop: () => {
      for (const jobId of [...pending.keys()]) forget(pending, jobId);
    },
  };

  /** Reads in slices: there may be very many jobs with a megabyte each, and others wait for the store too. */
  async function checkAll(): Promise<void> {
    for (let start = 0; start < unsure.length; start += SLICE) {
      if (start > 0) await new Promise((resolve) => setImmediate(resolve));
      const asked = unsure.slice(start, start + SLICE).filter((jobId) => pending.has(jobId));
      if (asked.length > 0) check(asked, await engine.store.jobs.getMany(asked));
    }
  }

  function check(asked: readonly string[], jobs: readonly Job[]): void {
    const found = new Set(jobs.map((job) => job.jobId));
    for (const job of jobs) if (isTerminal(job.state)) report(job.jobId, job);
    for (const jobId of asked) if (!found.has(jobId)) report(jobId, null);
  }
}

function forget(pending: Map<string, () => void>, jobId: string): void {
  pending.get(jobId)?.();
  pending.delete(jobId);
}
