import type { Attempt, Job } from "../../../core/job.ts";
import { isJobId } from "../../rows/job-id.ts";
import { ATTEMPT_COLUMNS, attemptFromRow, stateOf, WORKER_COLUMNS, workerFromRow } from "../../rows/job-rows.ts";
import { UNDO } from "../../rows/record-order.ts";
import type { JobStatus } from "../../seam/jobs.ts";
import type { LeaseCount, WorkerRecord } from "../../seam/workers.ts";
import { readText, storedText, uuidArray } from "../connection/literals.ts";
import {
  FUNCTION_ID,
  IS_UNDO,
  JOB_COLUMNS,
  jobFromRow,
  POSTGRES_CODEC,
  type Row,
  SNAPSHOT_COLUMNS,
} from "../connection/rows.ts";
import type { Runner } from "../connection/runner.ts";
import type { FunctionNames } from "./functions.ts";

const jobsSql = (columns: string): string =>
  `select ${columns} from reseolio.jobs as job where job.id = any ($1::uuid[])`;
const LEASED = `select ${SNAPSHOT_COLUMNS} from reseolio.jobs as job where job.worker_id = $1 and job.state = 1`;
const CHILDREN = `select ${SNAPSHOT_COLUMNS} from reseolio.jobs as job where job.parent_id = any ($1::uuid[]) and job.state < 3`;
/** A job without such steps needs no search of its children, of which there may be many. */
const UNDO_JOBS = `select ${SNAPSHOT_COLUMNS} from reseolio.jobs as job
  where job.parent_id = any (array(
      select given.id from unnest($1::uuid[]) as given (id)
      where exists (select 1 from reseolio.checkpoints as step where step.job_id = given.id and (step.gate & ${UNDO}) <> 0)
    ))
    and ${IS_UNDO}`;
const ATTEMPTS = `select ${ATTEMPT_COLUMNS} from reseolio.attempts where job_id = $1::uuid order by attempt desc limit $2::int`;
const STATUSES = "select job.id, job.state, job.lease_token from reseolio.jobs as job where job.id = any ($1::uuid[])";
const LEASE_COUNTS = "select worker_id, count(*)::int from reseolio.jobs where state = 1 group by worker_id";
const WORKERS = `select ${WORKER_COLUMNS} from reseolio.workers order by worker_id`;

/** Locks in the order of ids, so that transactions that hold the same jobs cannot deadlock. */
const HOLD = " order by job.id for no key update of job";

const JOBS = jobsSql(JOB_COLUMNS);
const HELD_JOBS = jobsSql(SNAPSHOT_COLUMNS) + HOLD;

/**
 * Reads of whole rows. Inside a transaction they are without args, result and headers, and hold the jobs: nobody else
 * changes them before its end.
 */
export class JobReader {
  readonly #runner: Runner;
  readonly #functions: FunctionNames;
  readonly #hold: string;
  readonly #jobs: string;

  constructor(runner: Runner, functions: FunctionNames, mode: "look" | "hold" = "look") {
    this.#runner = runner;
    this.#functions = functions;
    this.#hold = mode === "hold" ? HOLD : "";
    this.#jobs = mode === "hold" ? HELD_JOBS : JOBS;
  }

  /** Rows of JOB_COLUMNS or LISTED_JOB_COLUMNS. */
  async jobsOf(rows: readonly Row[]): Promise<Job[]> {
    await this.#functions.ensureNames(rows.map((row) => row[FUNCTION_ID] as number));
    return rows.map((row) => jobFromRow(row, this.#functions.nameOf));
  }

  /** Null for an unknown or malformed id. */
  async getJob(jobId: string): Promise<Job | null> {
    return (await this.getJobs([jobId]))[0] ?? null;
  }

  async getJobs(jobIds: readonly string[]): Promise<readonly Job[]> {
    const ids = distinctIds(jobIds);
    return ids.length === 0 ? [] : this.jobsOf(await this.#runner.rows(this.#jobs, [uuidArray(ids)]));
  }

  async listStatuses(jobIds: readonly string[]): Promise<readonly JobStatus[]> {
    const ids = distinctIds(jobIds);
    const rows = ids.length === 0 ? [] : await this.#runner.rows(STATUSES, [uuidArray(ids)]);
    return rows.map(([jobId, state, leaseToken]) => ({
      jobId: jobId as string,
      state: stateOf(state as number),
      leaseToken: leaseToken as number,
    }));
  }

  async countLeases(): Promise<readonly LeaseCount[]> {
    const rows = await this.#runner.rows(LEASE_COUNTS);
    return rows.map(([workerId, count]) => ({ workerId: readText(workerId as string), count: count as number }));
  }

  async listAttempts(jobId: string, limit: number): Promise<readonly Attempt[]> {
    if (!isJobId(jobId)) return [];
    const rows = await this.#runner.rows(ATTEMPTS, [jobId, limit]);
    return rows.map((row) => attemptFromRow(row, POSTGRES_CODEC)).reverse();
  }

  async listLeasedJobs(workerId: string): Promise<readonly Job[]> {
    return this.jobsOf(await this.#runner.rows(LEASED + this.#hold, [storedText(workerId)]));
  }

  async listLiveChildren(parentIds: readonly string[]): Promise<readonly Job[]> {
    const ids = distinctIds(parentIds);
    return ids.length === 0 ? [] : this.jobsOf(await this.#runner.rows(CHILDREN + this.#hold, [uuidArray(ids)]));
  }

  /** Lists the undo jobs that these jobs have had. */
  async listUndoJobs(jobIds: readonly string[]): Promise<readonly Job[]> {
    const ids = distinctIds(jobIds);
    return ids.length === 0 ? [] : this.jobsOf(await this.#runner.rows(UNDO_JOBS + this.#hold, [uuidArray(ids)]));
  }

  async listWorkers(): Promise<readonly WorkerRecord[]> {
    return (await this.#runner.rows(WORKERS)).map((row) => workerFromRow(row, POSTGRES_CODEC));
  }
}

/** Each id once, in lower case; malformed ids are left out. */
export function distinctIds(jobIds: readonly string[]): readonly string[] {
  return [...new Set(jobIds.filter(isJobId).map((jobId) => jobId.toLowerCase()))];
}
