/** Reads a database file with plain SQLite, without a daemon, and checks its integrity. */
import { Database } from "bun:sqlite";
import type { StoredCall } from "./enqueue-log.ts";

/** What a database file holds of one function. */
export interface StoreReport {
  readonly calls: readonly StoredCall[];
  /** Corruption, and counters that do not match the jobs. */
  readonly faults: readonly string[];
}

/** Recovers the file from its log as any start does. `functionName`: whose calls are wanted. */
export function readStoreReport(path: string, functionName: string): StoreReport {
  const db = new Database(path, { readwrite: true, create: false });
  try {
    return { calls: readCalls(db, functionName), faults: [...integrityFaults(db), ...counterFaults(db)] };
  } finally {
    db.close(true);
  }
}

function readCalls(db: Database, functionName: string): readonly StoredCall[] {
  return db
    .query<{ jobId: string; args: string }, [string]>(
      `select lower(hex(jobs.id)) as jobId, cast(args as text) as args
       from jobs join functions on functions.id = jobs.function_id where functions.name = ?`,
    )
    .all(functionName)
    .map(({ jobId, args }) => ({ jobId: dashed(jobId), call: (JSON.parse(args) as unknown[]).join(" ") }));
}

function integrityFaults(db: Database): readonly string[] {
  return db
    .query<{ integrity_check: string }, []>("pragma integrity_check")
    .all()
    .map((row) => row.integrity_check)
    .filter((line) => line !== "ok")
    .map((line) => `integrity_check: ${line}`);
}

function counterFaults(db: Database): readonly string[] {
  return db
    .query<{ functionId: number; state: number; counted: number; kept: number }, []>(
      `with counted as (select function_id, state, count(*) as count from jobs group by 1, 2),
            kept as (select function_id, state, count from job_counts where count <> 0)
       select coalesce(counted.function_id, kept.function_id) as functionId,
              coalesce(counted.state, kept.state) as state,
              coalesce(counted.count, 0) as counted, coalesce(kept.count, 0) as kept
       from counted full join kept on kept.function_id = counted.function_id and kept.state = counted.state
       where coalesce(counted.count, 0) <> coalesce(kept.count, 0)`,
    )
    .all()
    .map((row) => `function ${row.functionId}, state ${row.state}: ${row.counted} jobs, the counter says ${row.kept}`);
}

/** Jobs of a function by what became of them. */
export interface JobSummary {
  readonly jobId: string;
  readonly state: number;
  readonly attempt: number;
  readonly failures: number;
  readonly losses: number;
}

/** The jobs of a function, in no particular order. */
export function readJobs(path: string, functionName: string): readonly JobSummary[] {
  const db = new Database(path, { readwrite: true, create: false });
  try {
    return db
      .query<JobSummary, [string]>(
        `select lower(hex(jobs.id)) as jobId, state, attempt, failures, losses
         from jobs join functions on functions.id = jobs.function_id where functions.name = ?`,
      )
      .all(functionName)
      .map((job) => ({ ...job, jobId: dashed(job.jobId) }));
  } finally {
    db.close(true);
  }
}

function dashed(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
