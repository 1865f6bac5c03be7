import type { Database } from "bun:sqlite";
import { NO_BYTES } from "#proto/contract.ts";
import type { Attempt, Job } from "../../../core/job.ts";
import { writeJobId } from "../../rows/job-id.ts";
import {
  ATTEMPT_COLUMNS,
  attemptFromRow,
  jobFromRow,
  STATE_CODES,
  type StoredValue,
  WORKER_COLUMNS,
  workerFromRow,
} from "../../rows/job-rows.ts";
import { UNDO } from "../../rows/record-order.ts";
import type { WorkerRecord } from "../../seam/workers.ts";
import { IS_UNDO, JOB_COLUMNS, type Row, SNAPSHOT_COLUMNS, SQLITE_CODEC } from "../connection/rows.ts";
import type { FunctionNames } from "./functions.ts";

const JOB = `select ${JOB_COLUMNS} from jobs where id = ?`;

const SNAPSHOT = `select ${SNAPSHOT_COLUMNS} from jobs where id = ?`;

const LARGE_ARGS = "select args from large_args where job_id = ?";

const ATTEMPTS = `select ${ATTEMPT_COLUMNS} from attempts where job_id = ? order by attempt desc limit (? + 0)`;

const CHILDREN = `select ${SNAPSHOT_COLUMNS} from jobs where parent_id = ? and state < ${STATE_CODES.SUCCESS}`;

/** Checks the steps first: a job without any needs no search of its children, of which there may be many. */
const UNDO_JOBS = `select ${SNAPSHOT_COLUMNS} from (
    select job_id from checkpoints indexed by undo_steps where job_id = ? and (gate & ${UNDO}) <> 0 limit 1
  ) as step
  cross join jobs where parent_id = step.job_id and ${IS_UNDO}`;

const WORKERS = `select ${WORKER_COLUMNS} from workers order by worker_id`;

/** Reads of whole rows, on the writer's connection (inside its transaction) or on the readers' one. */
export class JobReader {
  readonly #functions: FunctionNames;
  readonly #job;
  readonly #snapshot;
  readonly #largeArgs;
  readonly #attempts;
  readonly #children;
  readonly #undoJobs;
  readonly #workers;
  readonly #id = new Uint8Array(16);

  constructor(db: Database, functions: FunctionNames) {
    this.#functions = functions;
    this.#job = db.prepare(JOB);
    this.#snapshot = db.prepare(SNAPSHOT);
    this.#largeArgs = db.prepare(LARGE_ARGS);
    this.#attempts = db.prepare(ATTEMPTS);
    this.#children = db.prepare(CHILDREN);
    this.#undoJobs = db.prepare(UNDO_JOBS);
    this.#workers = db.prepare(WORKERS);
  }

  /** A row of JOB_COLUMNS, perhaps with more columns behind. */
  jobOf(row: Row): Job {
    return jobFromRow(row, SQLITE_CODEC, this.#functions.nameOf, this.#readLargeArgs);
  }

  /** A row of SNAPSHOT_COLUMNS. */
  snapshotOf(row: Row): Job {
    return listedJobFromRow(row, this.#functions);
  }

  /** Null for an unknown or malformed id. */
  getJob(jobId: string): Job | null {
    if (!writeJobId(jobId, this.#id)) return null;
    const row = this.#job.values(this.#id)[0] as Row | undefined;
    return row === undefined ? null : this.jobOf(row);
  }

  getJobs(jobIds: readonly string[]): readonly Job[] {
    const jobs: Job[] = [];
    for (const jobId of new Set(jobIds)) {
      const job = this.getJob(jobId);
      if (job !== null) jobs.push(job);
    }
    return jobs;
  }

  /** As `getJobs`, without args, result and headers. */
  getSnapshots(jobIds: readonly string[]): readonly Job[] {
    const jobs: Job[] = [];
    for (const jobId of new Set(jobIds)) {
      if (!writeJobId(jobId, this.#id)) continue;
      const row = this.#snapshot.values(this.#id)[0] as Row | undefined;
      if (row !== undefined) jobs.push(this.snapshotOf(row));
    }
    return jobs;
  }

  listAttempts(jobId: string, limit: number): readonly Attempt[] {
    if (!writeJobId(jobId, this.#id)) return [];
    return (this.#attempts.values(this.#id, limit) as Row[]).map((row) => attemptFromRow(row, SQLITE_CODEC)).reverse();
  }

  /** Without args, result and headers. */
  listLiveChildren(parentIds: readonly string[]): readonly Job[] {
    const jobs: Job[] = [];
    for (const parentId of new Set(parentIds)) {
      if (!writeJobId(parentId, this.#id)) continue;
      for (const row of this.#children.values(this.#id) as Row[]) jobs.push(this.snapshotOf(row));
    }
    return jobs;
  }

  /** Lists the undo jobs that these jobs have had, without args, result and headers. */
  listUndoJobs(jobIds: readonly string[]): readonly Job[] {
    const jobs: Job[] = [];
    for (const jobId of new Set(jobIds)) {
      if (!writeJobId(jobId, this.#id)) continue;
      for (const row of this.#undoJobs.values(this.#id) as Row[]) jobs.push(this.snapshotOf(row));
    }
    return jobs;
  }

  listWorkers(): readonly WorkerRecord[] {
    return (this.#workers.values() as Row[]).map((row) => workerFromRow(row, SQLITE_CODEC));
  }

  readonly #readLargeArgs = (id: StoredValue): Uint8Array => {
    const row = this.#largeArgs.values(id as Uint8Array)[0] as Row | undefined;
    if (row === undefined) throw new Error("a job's large args are missing; check the file with reseolio db check");
    return row[0] as Uint8Array;
  };
}

const noArgs = (): Uint8Array => NO_BYTES;

/** A row of SNAPSHOT_COLUMNS or LISTED_JOB_COLUMNS: args, result and headers are empty, and in a list ranMs. */
export function listedJobFromRow(row: Row, functions: Pick<FunctionNames, "nameOf">): Job {
  return jobFromRow(row, SQLITE_CODEC, functions.nameOf, noArgs);
}
