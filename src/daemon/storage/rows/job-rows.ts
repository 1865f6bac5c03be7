/**
 * Rows of both stores as objects of the core. Columns are read by position: only the lists of names here define their
 * order. A codec says what the stores write differently: IDs and text.
 */
import { UNDO_HEADER } from "#proto/contract.ts";
import type { CheckpointKind } from "../../core/checkpoint.ts";
import type { Transition } from "../../core/job-machine.ts";
import type { Attempt, AttemptOutcome, BackoffKind, Job, JobError, JobState } from "../../core/job.ts";
import type { CatchUp, Overlap, ScheduleState } from "../../core/schedule.ts";
import type { NewJob } from "../seam/jobs.ts";
import type { WorkerRecord } from "../seam/workers.ts";

/** Words of the core as the small numbers of the schema. Frozen: files on disk carry them. */
export const STATE_CODES = {
  PENDING: 0,
  RUNNING: 1,
  SUSPENDED: 2,
  SUCCESS: 3,
  DEAD: 4,
  CANCELLED: 5,
} as const satisfies Record<JobState, number>;

export const BACKOFF_CODES = { fixed: 0, linear: 1, exponential: 2 } as const satisfies Record<BackoffKind, number>;

export const OUTCOME_CODES = {
  failed: 0,
  timeout: 1,
  lost: 2,
  cancelled: 3,
} as const satisfies Record<AttemptOutcome, number>;

export const SCHEDULE_STATE_CODES = { ACTIVE: 0, PAUSED: 1, DELETED: 2 } as const satisfies Record<
  ScheduleState,
  number
>;

export const CATCH_UP_CODES = { none: 0, latest: 1, all: 2 } as const satisfies Record<CatchUp, number>;

export const OVERLAP_CODES = { allow: 0, skip: 1 } as const satisfies Record<Overlap, number>;

/** A code with OTHER_KIND is stored in two columns: the rest of the number in `kind`, this flag in `gate`. */
export const KIND_CODES = {
  step: 0,
  sleep: 1,
  event: 2,
  value: 3,
  choice: 4,
  job: 5,
  try: 16,
  signal: 18,
  note: 19,
} as const satisfies Record<CheckpointKind, number>;

const STATES = inverse<JobState>(STATE_CODES);
const BACKOFFS = inverse<BackoffKind>(BACKOFF_CODES);
const OUTCOMES = inverse<AttemptOutcome>(OUTCOME_CODES);
const SCHEDULE_STATES = inverse<ScheduleState>(SCHEDULE_STATE_CODES);
const CATCH_UPS = inverse<CatchUp>(CATCH_UP_CODES);
const OVERLAPS = inverse<Overlap>(OVERLAP_CODES);
const KINDS = inverse<CheckpointKind>(KIND_CODES);

export function stateOf(code: number): JobState {
  return STATES[code] ?? unknownCode("state", code);
}

function backoffOf(code: number): BackoffKind {
  return BACKOFFS[code] ?? unknownCode("backoff", code);
}

export function outcomeOf(code: number): AttemptOutcome {
  return OUTCOMES[code] ?? unknownCode("outcome", code);
}

export function scheduleStateOf(code: number): ScheduleState {
  return SCHEDULE_STATES[code] ?? unknownCode("schedule state", code);
}

export function catchUpOf(code: number): CatchUp {
  return CATCH_UPS[code] ?? unknownCode("catch_up", code);
}

export function overlapOf(code: number): Overlap {
  return OVERLAPS[code] ?? unknownCode("overlap", code);
}

export function kindOf(code: number): CheckpointKind {
  return KINDS[code] ?? unknownCode("kind of checkpoint", code);
}

function inverse<Word extends string>(codes: Record<Word, number>): readonly Word[] {
  const words: Word[] = [];
  for (const word in codes) words[codes[word]] = word;
  return words;
}

function unknownCode(what: string, code: number): never {
  throw new RangeError(`the database contains the unknown ${what} ${code}; check it with reseolio db check`);
}

/** Earliest start of a job that is enqueued now. */
export function runAtOf({ options }: NewJob, now: number): number {
  return Math.ceil(options.runAt ?? now + (options.delayMs ?? 0));
}

export function isReady(item: NewJob, now: number): boolean {
  return runAtOf(item, now) <= now;
}

/** Whether a transition is the one that nearly every job goes through, which changes few columns and indexes. */
export function isPlainSuccess({ expected, change, ended }: Transition): boolean {
  return (
    change.state === "SUCCESS" &&
    expected.state === "RUNNING" &&
    ended === null &&
    change.result !== undefined &&
    change.startedAt !== undefined &&
    change.error === undefined &&
    change.attempt === undefined &&
    change.failures === undefined &&
    change.losses === undefined &&
    change.revokeLease === undefined &&
    change.clearDeadlines === undefined &&
    change.ranMs === undefined
  );
}

/** False for a job that is in its first lease: it has not been parked. */
export function mayHaveWaits({ state, leaseToken }: Transition["expected"]): boolean {
  return leaseToken > 1 || (leaseToken === 1 && state !== "RUNNING");
}

/** A value as a driver reads it. */
export type StoredValue = number | string | boolean | Uint8Array | null;
export type StoredRow = readonly StoredValue[];

/** How a store writes ids and text. */
export interface RowCodec {
  /** The text form of an id. */
  readonly idOf: (stored: StoredValue) => string;
  readonly textOf: (stored: StoredValue) => string;
}

/** Columns that every form of a job has, in the order that `jobFromRow` reads. */
export const LISTED_JOB_COLUMN_NAMES = [
  "id",
  "function_id",
  "state",
  "priority",
  "run_at",
  "lease_token",
  "attempt",
  "failures",
  "losses",
  "max_attempts",
  "backoff",
  "initial_delay_ms",
  "max_delay_ms",
  "jitter",
  "timeout_ms",
  "created_at",
  "started_at",
  "finished_at",
  "start_by",
  "finish_by",
  "parent_id",
  "worker_id",
  "idempotency_key",
  "error",
] as const;

/** A whole job: the listed columns, then those that may be large, then those after them in the row. */
export const JOB_COLUMN_NAMES = [...LISTED_JOB_COLUMN_NAMES, "headers", "args", "result", "ran_ms"] as const;

/** The beginning of an undo job's headers; no other headers begin like this. */
export const UNDO_MARK = `{"${UNDO_HEADER}":`;

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});

/**
 * Reads a row of a whole job, of a snapshot, or of a listed job, which has no ranMs either. The last two have, instead of
 * the headers, whether it is an undo job.
 *
 * @param argsOf called when the row has no args: they are stored elsewhere, or were not selected
 */
export function jobFromRow(
  row: StoredRow,
  codec: RowCodec,
  nameOf: (functionId: number) => string,
  argsOf: (id: StoredValue) => Uint8Array,
): Job {
  const id = row[0] as StoredValue;
  const parentId = orNull(row[20], codec.idOf);
  return {
    jobId: codec.idOf(id),
    functionName: nameOf(row[1] as number),
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
    parentId,
    undoOf: isUndo(row[24]) ? parentId : null,
    workerId: orNull(row[21], codec.textOf),
    idempotencyKey: orNull(row[22], codec.textOf),
    error: errorFromText(row[23] as string | null),
    headers: headersFromText(row[24]),
    args: (row[25] as Uint8Array | null | undefined) ?? argsOf(id),
    result: (row[26] as Uint8Array | null | undefined) ?? null,
    ranMs: (row[27] as number | null | undefined) ?? null,
  };
}

export const ATTEMPT_COLUMNS = "job_id, attempt, outcome, worker_id, started_at, ended_at, error";

/** A row of ATTEMPT_COLUMNS. */
export function attemptFromRow(row: StoredRow, codec: RowCodec): Attempt {
  return {
    jobId: codec.idOf(row[0] as StoredValue),
    attempt: row[1] as number,
    outcome: outcomeOf(row[2] as number),
    workerId: orNull(row[3], codec.textOf),
    startedAt: row[4] as number,
    endedAt: row[5] as number,
    error: errorFromText(row[6] as string | null),
  };
}

export const WORKER_COLUMNS = `worker_id, node_id, host, host_id, pid, process_start, function_names, concurrency,
  client, connected_at, lease_expires_at`;

/** A row of WORKER_COLUMNS. */
export function workerFromRow(row: StoredRow, { textOf }: RowCodec): WorkerRecord {
  const textAt = (index: number): string => textOf(row[index] as StoredValue);
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

/** An error as it is stored. */
export function errorText(error: JobError | null): string | null {
  return error === null ? null : JSON.stringify(error);
}

export function errorFromText(text: string | null): JobError | null {
  return text === null ? null : (JSON.parse(text) as JobError);
}

/** Headers as they are stored; null when there are none. */
export function headersText(headers: Readonly<Record<string, string>>): string | null {
  for (const _ in headers) return JSON.stringify(headers);
  return null;
}

function headersFromText(text: StoredValue | undefined): Readonly<Record<string, string>> {
  return typeof text === "string" ? (JSON.parse(text) as Record<string, string>) : NO_HEADERS;
}

/** @param headers the text of the headers, or the flag that lists and snapshots have instead */
function isUndo(headers: StoredValue | undefined): boolean {
  return typeof headers === "string" ? headers.startsWith(UNDO_MARK) : headers === true || headers === 1;
}

/** Applies `read` to a value; null stays null. */
export function orNull(value: StoredValue | undefined, read: (stored: StoredValue) => string): string | null {
  return value === null || value === undefined ? null : read(value);
}
