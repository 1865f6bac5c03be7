import type { Database } from "bun:sqlite";
import { STATE_CODES } from "../../rows/job-rows.ts";
import type { FunctionNames, JobCounters } from "./functions.ts";
import { jobIdText } from "../../rows/job-id.ts";
import type { Row } from "../connection/rows.ts";

const RUNNING = `select id, rowid, worker_id from jobs
  where function_id = (? + 0) and list_state = 0 and state = 1 order by id limit (? + 0)`;

export interface RunningJob {
  readonly rowid: number;
  readonly functionId: number;
  readonly workerId: string;
}

/**
 * The jobs that are RUNNING, in memory: there are never more than workers have slots, and no index has to follow each
 * claim. A superset while a transaction is open, so whoever reads here checks the row.
 */
export class RunningJobs {
  readonly #jobs = new Map<string, RunningJob>();
  /** The changes of the open transaction: for each claim the entry before it, for each end the entry that it removes. */
  #added: (readonly [string, RunningJob | undefined])[] = [];
  #removed: (readonly [string, RunningJob])[] = [];

  constructor(db: Database, functions: FunctionNames, counters: JobCounters) {
    // For jobs that ran at a crash. They are among the oldest live jobs, and the limit ends the scan with the last one.
    const running = db.prepare(RUNNING);
    for (const functionId of functions.ids()) {
      const count = counters.committedCount(functionId, STATE_CODES.RUNNING);
      if (count <= 0) continue;
      for (const row of running.values(functionId, count) as Row[]) {
        const [id, rowid, workerId] = row as [Uint8Array, number, string];
        this.#jobs.set(jobIdText(id), { rowid, functionId, workerId });
      }
    }
    running.finalize();
  }

  find(jobId: string): RunningJob | undefined {
    return this.#jobs.get(jobId);
  }

  ofWorker(workerId: string): readonly string[] {
    return [...this.#jobs].filter(([, job]) => job.workerId === workerId).map(([jobId]) => jobId);
  }

  /** Counts the jobs of each worker, committed or not. */
  countByWorker(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { workerId } of this.#jobs.values()) counts.set(workerId, (counts.get(workerId) ?? 0) + 1);
    return counts;
  }

  ofFunction(functionId: number): readonly string[] {
    return [...this.#jobs].filter(([, job]) => job.functionId === functionId).map(([jobId]) => jobId);
  }

  add(jobId: string, job: RunningJob): void {
    this.#added.push([jobId, this.#jobs.get(jobId)]);
    this.#jobs.set(jobId, job);
  }

  /** Takes effect with the commit: until then others may still see the job running. */
  remove(jobId: string): void {
    const job = this.#jobs.get(jobId);
    if (job !== undefined) this.#removed.push([jobId, job]);
  }

  committed(): void {
    // A job that was claimed again in the same transaction stays.
    for (const [jobId, job] of this.#removed) if (this.#jobs.get(jobId) === job) this.#jobs.delete(jobId);
    this.#forget();
  }

  rolledBack(): void {
    for (const [jobId, before] of this.#added.toReversed()) {
      if (before === undefined) this.#jobs.delete(jobId);
      else this.#jobs.set(jobId, before);
    }
    this.#forget();
  }

  #forget(): void {
    this.#added = [];
    this.#removed = [];
  }
}
