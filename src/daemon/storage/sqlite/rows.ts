/** Rows of the database as objects of the core. Columns come by position: the lists here are the only place of their order. */
import type { Database } from "bun:sqlite";
import type { Attempt, Job, JobError } from "../../core/job.ts";
import type { WorkerRecord } from "../job-store.ts";
import { backoffOf, outcomeOf, stateOf } from "../codes.ts";
import type { FunctionNames } from "./function-names.ts";
import { jobIdText } from "../job-id.ts";

/**
 * A prepared statement, made once and used for ever. Those that find jobs by a number or have a limit say `(? + 0)`:
 * SQLite looks at the value of a bare parameter there, because of the partial indexes, and prepares the statement anew
 * for each run, which is ten times the work of finding a job.
 */
export type Query = ReturnType<Database["prepare"]>;
/** A value as bun:sqlite reads and binds it. */
export type Value = number | string | Uint8Array | null;
/** Fresh for each read: whoever got it may change it. */
export type Row = Value[];

/** Columns that every form of a job has, in the order that `jobFromRow` reads. */
const BASE_COLUMNS = `id, function_id, state, priority, run_at, lease_token, attempt, failures, losses,
  max_attempts, backoff, initial_delay_ms, max_delay_ms, jitter, timeout_ms, created_at, started_at, finished_at,
  start_by, finish_by, parent_id, worker_id, idempotency_key, error`;

/** A whole job; `args` is null when it stands in large_args. */
export const JOB_COLUMNS = `${BASE_COLUMNS}, headers, args, result, ran_ms`;
/** A job without what may be large, and without what stands behind that in the row. */
export const LISTED_JOB_COLUMNS = BASE_COLUMNS;

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});
const NO_BYTES = new Uint8Array(0);

/** @param largeArgs called when the row's args stand in their own table */
export function jobFromRow(row: Row, functions: FunctionNames, largeArgs: (id: Uint8Array) => Uint8Array): Job {
  const id = row[0] as Uint8Array;
  return {
    jobId: jobIdText(id),
    functionName: functions.nameOf(row[1] as number),
    state: stateOf(row[2] as number),
    priority: row[3] as number,
    runAt: row[4] as number,
    leaseToken: row[5] as number,
    attempt: row[6] as number,
    failures: row[7] as number,
    losses: row[8] as number,
    maxAttempts: row[9] as number,
    backoff: backoffOf(row[10] as number),
    initialDelayMs: row[11] as number,
    maxDelayMs: row[12] as number,
    jitter: row[13] as number,
    timeoutMs: row[14] as number,
    createdAt: row[15] as number,
    startedAt: row[16] as number | null,
    finishedAt: row[17] as number | null,
    startBy: row[18] as number | null,
    finishBy: row[19] as number | null,
    parentId: row[20] === null ? null : jobIdText(row[20] as Uint8Array),
    workerId: row[21] as string | null,
    idempotencyKey: row[22] as string | null,
    error: errorFromText(row[23] as string | null),
    headers: headersFromText(row[24] as string | null),
    args: (row[25] as Uint8Array | null) ?? largeArgs(id),
    result: row[26] as Uint8Array | null,
    ranMs: row[27] as number | null,
  };
}

/** A row of LISTED_JOB_COLUMNS: args, result, headers and ranMs are empty. */
export function listedJobFromRow(row: Row, functions: FunctionNames): Job {
  return jobFromRow([...row, null, NO_BYTES, null, null], functions, () => NO_BYTES);
}

export function attemptFromRow(row: Row): Attempt {
  return {
    jobId: jobIdText(row[0] as Uint8Array),
    attempt: row[1] as number,
    outcome: outcomeOf(row[2] as number),
    workerId: row[3] as string | null,
    startedAt: row[4] as number,
    endedAt: row[5] as number,
    error: errorFromText(row[6] as string | null),
  };
}

export const ATTEMPT_COLUMNS = "job_id, attempt, outcome, worker_id, started_at, ended_at, error";

export function workerFromRow(row: Row): WorkerRecord {
  return {
    workerId: row[0] as string,
    nodeId: row[1] as string,
    host: row[2] as string,
    hostId: row[3] as string,
    pid: row[4] as number,
    processStart: row[5] as string,
    functionNames: JSON.parse(row[6] as string) as string[],
    concurrency: row[7] as number,
    client: row[8] as string,
    connectedAt: row[9] as number,
    leaseExpiresAt: row[10] as number,
  };
}

export const WORKER_COLUMNS = `worker_id, node_id, host, host_id, pid, process_start, function_names, concurrency,
  client, connected_at, lease_expires_at`;

export function errorText(error: JobError | null): string | null {
  return error === null ? null : JSON.stringify(error);
}

export function headersText(headers: Readonly<Record<string, string>>): string | null {
  for (const _ in headers) return JSON.stringify(headers);
  return null;
}

export function errorFromText(text: string | null): JobError | null {
  return text === null ? null : (JSON.parse(text) as JobError);
}

function headersFromText(text: string | null | undefined): Readonly<Record<string, string>> {
  return text == null ? NO_HEADERS : (JSON.parse(text) as Record<string, string>);
}
