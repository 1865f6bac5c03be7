import type { Attempt, Job } from "../../core/job.ts";
import { isJobId } from "../job-id.ts";
import type { WorkerRecord } from "../job-store.ts";
import type { FunctionNames } from "./function-names.ts";
import { storedText, uuidArray } from "./literals.ts";
import {
  ATTEMPT_COLUMNS,
  attemptFromRow,
  FUNCTION_ID,
  JOB_COLUMNS,
  jobFromRow,
  type Row,
  WORKER_COLUMNS,
  workerFromRow,
} from "./rows.ts";
import type { Runner } from "./runner.ts";

const JOBS = `select ${JOB_COLUMNS} from reseolio.jobs as job where job.id = any ($1::uuid[])`;
const LEASED = `select ${JOB_COLUMNS} from reseolio.jobs as job where job.worker_id = $1 and job.state = 1`;
const CHILDREN = `select ${JOB_COLUMNS} from reseolio.jobs as job where job.parent_id = any ($1::uuid[]) and job.state < 3`;
const ATTEMPTS = `select ${ATTEMPT_COLUMNS} from reseolio.attempts where job_id = $1::uuid order by attempt`;
const WORKERS = `select ${WORKER_COLUMNS} from reseolio.workers order by worker_id`;

/** Reads of whole rows, inside a transaction or outside, as its runner is. */
export class JobReader {
  readonly #runner: Runner;
  readonly #functions: FunctionNames;

  constructor(runner: Runner, functions: FunctionNames) {
    this.#runner = runner;
    this.#functions = functions;
  }

  /** Rows of JOB_COLUMNS or LISTED_JOB_COLUMNS. */
  async jobsOf(rows: readonly Row[]): Promise<Job[]> {
    await this.#functions.ensureNames(rows.map((row) => row[FUNCTION_ID] as number));
    return rows.map((row) => jobFromRow(row, this.#functions.nameOf));
  }

  /** Null for an unknown id, and for a text that is no id. */
  async getJob(jobId: string): Promise<Job | null> {
    return (await this.getJobs([jobId]))[0] ?? null;
  }

  async getJobs(jobIds: readonly string[]): Promise<readonly Job[]> {
    const ids = distinctIds(jobIds);
    return ids.length === 0 ? [] : this.jobsOf(await this.#runner.rows(JOBS, [uuidArray(ids)]));
  }

  async listAttempts(jobId: string): Promise<readonly Attempt[]> {
    return isJobId(jobId) ? (await this.#runner.rows(ATTEMPTS, [jobId])).map(attemptFromRow) : [];
  }

  async listLeasedJobs(workerId: string): Promise<readonly Job[]> {
    return this.jobsOf(await this.#runner.rows(LEASED, [storedText(workerId)]));
  }

  async listLiveChildren(parentIds: readonly string[]): Promise<readonly Job[]> {
    const ids = distinctIds(parentIds);
    return ids.length === 0 ? [] : this.jobsOf(await this.#runner.rows(CHILDREN, [uuidArray(ids)]));
  }

  async listWorkers(): Promise<readonly WorkerRecord[]> {
    return (await this.#runner.rows(WORKERS)).map(workerFromRow);
  }
}

/** In lower case, each once; texts that are no ids are left out. */
export function distinctIds(jobIds: readonly string[]): readonly string[] {
  return [...new Set(jobIds.filter(isJobId).map((jobId) => jobId.toLowerCase()))];
}
