/** Rows of the database as objects of the core. Columns come by position: the lists here are the only place of their order. */
import type { Attempt, Job, JobError } from "../../core/job.ts";
import { backoffOf, outcomeOf, stateOf } from "../codes.ts";
import type { WorkerRecord } from "../job-store.ts";
import { readText } from "./literals.ts";

/** A value as the driver reads it: numbers of every width, text, uuid as text, bytea. */
export type Value = number | string | boolean | Uint8Array | null;
/** Fresh for each read. */
export type Row = readonly Value[];

/** Columns that every form of a job has, in the order that `jobFromRow` reads; of a table or alias named `job`. */
const BASE_COLUMNS = `job.id, job.function_id, job.state, job.priority, job.run_at, job.lease_token, job.attempt,
  job.failures, job.losses, job.max_attempts, job.backoff, job.initial_delay_ms, job.max_delay_ms, job.jitter,
  job.timeout_ms, job.created_at, job.started_at, job.finished_at, job.start_by, job.finish_by, job.parent_id,
  job.worker_id, job.idempotency_key, job.error`;

/** A whole job. */
export const JOB_COLUMNS = `${BASE_COLUMNS}, job.headers, job.args, job.result, job.ran_ms`;
/** A job without what may be large. */
export const LISTED_JOB_COLUMNS = BASE_COLUMNS;

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});
const NO_BYTES = new Uint8Array(0);

/** Where the number of the function stands. */
export const FUNCTION_ID = 1;

/** @param nameOf the name of a function's number */
export function jobFromRow(row: Row, nameOf: (functionId: number) => string): Job {
  return {
    jobId: row[0] as string,
    functionName: nameOf(row[FUNCTION_ID] as number),
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
    parentId: row[20] as string | null,
    workerId: textOrNull(row[21]),
    idempotencyKey: textOrNull(row[22]),
    error: errorFromText(row[23] as string | null),
    headers: headersFromText(row[24] as string | null | undefined),
    args: (row[25] as Uint8Array | undefined) ?? NO_BYTES,
    result: (row[26] as Uint8Array | null | undefined) ?? null,
    ranMs: (row[27] as number | null | undefined) ?? null,
  };
}

export const ATTEMPT_COLUMNS = "job_id, attempt, outcome, worker_id, started_at, ended_at, error";

export function attemptFromRow(row: Row): Attempt {
  return {
    jobId: row[0] as string,
    attempt: row[1] as number,
    outcome: outcomeOf(row[2] as number),
    workerId: textOrNull(row[3]),
    startedAt: row[4] as number,
    endedAt: row[5] as number,
    error: errorFromText(row[6] as string | null),
  };
}

export const WORKER_COLUMNS = `worker_id, node_id, host, host_id, pid, process_start, function_names, concurrency,
  client, connected_at, lease_expires_at`;

export function workerFromRow(row: Row): WorkerRecord {
  const textAt = (place: number) => readText(row[place] as string);
  return {
    workerId: textAt(0),
    nodeId: textAt(1),
    host: textAt(2),
    hostId: textAt(3),
    pid: row[4] as number,
    processStart: textAt(5),
    functionNames: JSON.parse(row[6] as string) as string[],
    concurrency: row[7] as number,
    client: textAt(8),
    connectedAt: row[9] as number,
    leaseExpiresAt: row[10] as number,
  };
}

export function errorText(error: JobError | null): string | null {
  return error === null ? null : JSON.stringify(error);
}

export function headersText(headers: Readonly<Record<string, string>>): string | null {
  for (const _ in headers) return JSON.stringify(headers);
  return null;
}

function textOrNull(value: Value | undefined): string | null {
  return value === null ? null : readText(value as string);
}

export function errorFromText(text: string | null): JobError | null {
  return text === null ? null : (JSON.parse(text) as JobError);
}

function headersFromText(text: string | null | undefined): Readonly<Record<string, string>> {
  return text == null ? NO_HEADERS : (JSON.parse(text) as Record<string, string>);
}
