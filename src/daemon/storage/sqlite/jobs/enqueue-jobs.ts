import type { Database } from "bun:sqlite";
import { type IdConflict, judgeId, judgeKey, type KeyConflict } from "../../../core/enqueue-conflict.ts";
import { jobIdBytes, jobIdText, malformedJobId, writeJobId } from "../../rows/job-id.ts";
import { BACKOFF_CODES, headersText, isReady, runAtOf, STATE_CODES, stateOf } from "../../rows/job-rows.ts";
import type { EnqueueOutcome, NewJob } from "../../seam/jobs.ts";
import type { Row, Value } from "../connection/rows.ts";
import type { FunctionNames } from "../session/functions.ts";
import type { WriteSession } from "../session/write-session.ts";

const BY_ID = "select function_id, state from jobs where id = ?";

const BY_KEY = `select jobs.id, jobs.state, coalesce(jobs.args, large_args.args) from jobs
  left join large_args on large_args.job_id = jobs.id
  where jobs.function_id = ? and jobs.idempotency_key = ?`;

const RELEASE_KEY = "update jobs set idempotency_key = null where id = ?";

const INSERT_LARGE_ARGS = "insert into large_args (job_id, args) values (?, ?)";

const ROWID_OF = "select rowid from jobs where id = ?";

const LAST_ROWID = "select max(rowid) from jobs";

export interface EnqueueJobs {
  store(items: readonly NewJob[]): readonly EnqueueOutcome[];
  /** Null for an item that would be stored. */
  find(items: readonly NewJob[]): readonly (EnqueueOutcome | null)[];
}

export function prepareEnqueueJobs(session: WriteSession): EnqueueJobs {
  const { db, functions, counters } = session;
  const insert = prepareInsertJobs(session);
  const obstacles = prepareObstacles(db, functions);
  const releaseKey = db.prepare(RELEASE_KEY);

  /** One after the other: the outcome of an item may depend on those before it. */
  function enqueue(items: readonly NewJob[], now: number): readonly EnqueueOutcome[] {
    const outcomes: EnqueueOutcome[] = [];
    while (outcomes.length < items.length) {
      if (isChunkAt(items, outcomes.length)) enqueueChunk(items, now, outcomes);
      else outcomes.push(enqueueOne(items[outcomes.length]!, now));
    }
    return outcomes;
  }

  function enqueueChunk(items: readonly NewJob[], now: number, outcomes: EnqueueOutcome[]): void {
    const start = outcomes.length;
    for (const [index, isStored] of insert.chunk(items, start, now).entries()) {
      const item = items[start + index]!;
      outcomes.push(isStored ? storedOutcome(item, now) : whyNotStored(item, now));
    }
  }

  function enqueueOne(item: NewJob, now: number): EnqueueOutcome {
    return insert.one(item, now) ? storedOutcome(item, now) : whyNotStored(item, now);
  }

  function storedOutcome(item: NewJob, now: number): EnqueueOutcome {
    counters.add(functions.idOf(item.functionName), STATE_CODES.PENDING, 1);
    return { kind: "stored", jobId: item.jobId, ready: isReady(item, now) };
  }

  function whyNotStored(item: NewJob, now: number): EnqueueOutcome {
    const found = obstacles.find(item);
    if (found !== null) return found;
    const holder = obstacles.keyHolder(item);
    if (holder === null) throw new Error(`job ${item.jobId} was not stored, yet neither its id nor its key is there`);
    releaseKey.run(holder[0]);
    return enqueueOne(item, now);
  }

  return {
    store: (items) => enqueue(items, session.now),
    find: (items) => items.map((item) => obstacles.find(item)),
  };
}

/** id, state, args. */
type KeyHolderRow = readonly [Uint8Array, number, Uint8Array];

/** Jobs that have the id or the key of an item. */
function prepareObstacles(db: Database, functions: FunctionNames) {
  const byId = db.prepare(BY_ID);
  const byKey = db.prepare(BY_KEY);

  function idConflict({ jobId, functionName }: NewJob): IdConflict | null {
    const id = jobIdBytes(jobId);
    const row = byId.values(id)[0] as Row | undefined;
    if (row === undefined) return null;
    const [functionId, state] = row as [number, number];
    const holder = { jobId: jobIdText(id), state: stateOf(state), functionName: functions.nameOf(functionId) };
    return judgeId(functionName, holder);
  }

  function keyHolder({ functionName, options }: NewJob): KeyHolderRow | null {
    const functionId = functions.find(functionName) ?? null;
    return (byKey.values(functionId, options.idempotencyKey)[0] ?? null) as KeyHolderRow | null;
  }

  /** Null when there is none, or when the item takes the key over. */
  function keyConflict(item: NewJob): KeyConflict | null {
    const row = keyHolder(item);
    if (row === null) return null;
    const [id, state, args] = row;
    const argsDiffer = Buffer.compare(args, item.args) !== 0;
    return judgeKey(item.options.onDuplicate, { jobId: jobIdText(id), state: stateOf(state), argsDiffer });
  }

  return {
    keyHolder,
    find: (item: NewJob): EnqueueOutcome | null => idConflict(item) ?? keyConflict(item),
  };
}

/** A key can be taken over by a later item, so only items without keys are stored many at once. */
function isChunkAt(items: readonly NewJob[], start: number): boolean {
  if (items.length - start < INSERT_CHUNK) return false;
  for (let index = 0; index < INSERT_CHUNK; index++) {
    if (items[start + index]!.options.idempotencyKey !== null) return false;
  }
  return true;
}

export interface InsertJobs {
  /** False when the job's id or its key exists already. */
  one(item: NewJob, now: number): boolean;
  /**
   * Inserts INSERT_CHUNK items from `start`, none with a key. True for each that was stored; false when its id existed,
   * also because of an item before it.
   */
  chunk(items: readonly NewJob[], start: number, now: number): readonly boolean[];
}

/** Rows per statement: a third less work than one statement per row; more rows gain nothing. */
const INSERT_CHUNK = 16;

/**
 * Args above this size are stored in their own table, once: a row is rewritten with each change of state. Smaller args
 * are cheaper in the row.
 */
export const INLINE_ARGS_BYTES = 1024;

const COLUMNS = [
  "id",
  "function_id",
  "is_ready",
  "priority",
  "run_at",
  "deadline_at",
  "max_attempts",
  "backoff",
  "initial_delay_ms",
  "max_delay_ms",
  "jitter",
  "timeout_ms",
  "created_at",
  "start_by",
  "finish_by",
  "parent_id",
  "idempotency_key",
  "headers",
  "args",
] as const;

function prepareInsertJobs(session: WriteSession): InsertJobs {
  const { db, functions, idTimes } = session;
  const oneRow = db.prepare(insertSql(1));
  const chunkOfRows = db.prepare(insertSql(INSERT_CHUNK));
  const insertLargeArgs = db.prepare(INSERT_LARGE_ARGS);
  const whichWereStored = prepareWhichWereStored(db);
  // Reused for each statement, so that a row causes no garbage.
  const one = new Bindings(1);
  const chunk = new Bindings(INSERT_CHUNK);

  function insertOne(item: NewJob, now: number): boolean {
    bind(one, functions, 0, item, now);
    if (oneRow.run(...one.values).changes === 0) return false;
    complete(one.ids[0]!, item, now);
    return true;
  }

  function insertChunk(items: readonly NewJob[], start: number, now: number): readonly boolean[] {
    for (let index = 0; index < INSERT_CHUNK; index++) bind(chunk, functions, index, items[start + index]!, now);
    const { changes } = chunkOfRows.run(...chunk.values);
    const isStored = changes === INSERT_CHUNK ? ALL : whichWereStored(chunk.ids, changes);
    for (let index = 0; index < INSERT_CHUNK; index++) {
      if (isStored[index]) complete(chunk.ids[index]!, items[start + index]!, now);
    }
    return isStored;
  }

  function complete(id: Uint8Array, item: NewJob, now: number): void {
    idTimes.observe(id, now);
    if (item.args.length > INLINE_ARGS_BYTES) insertLargeArgs.run(id, item.args);
  }

  return { one: insertOne, chunk: insertChunk };
}

/** Writes the values of one row, in the order of COLUMNS. */
function bind(bindings: Bindings, functions: FunctionNames, index: number, item: NewJob, now: number): void {
  const { values } = bindings;
  const { options } = item;
  const startBy = options.startWithinMs === null ? null : now + options.startWithinMs;
  const finishBy = options.finishWithinMs === null ? null : now + options.finishWithinMs;
  let at = index * COLUMNS.length;
  values[at++] = bindings.writeId(index, item.jobId);
  values[at++] = functions.idOf(item.functionName);
  values[at++] = isReady(item, now) ? 1 : 0;
  values[at++] = options.priority;
  values[at++] = runAtOf(item, now);
  values[at++] = earlier(startBy, finishBy);
  values[at++] = options.maxAttempts;
  values[at++] = BACKOFF_CODES[options.backoff];
  values[at++] = options.initialDelayMs;
  values[at++] = options.maxDelayMs;
  values[at++] = options.jitter;
  values[at++] = options.timeoutMs;
  values[at++] = now;
  values[at++] = startBy;
  values[at++] = finishBy;
  values[at++] = item.parentId === null ? null : bindings.writeParentId(index, item.parentId);
  values[at++] = options.idempotencyKey;
  values[at++] = headersText(options.headers);
  values[at] = item.args.length > INLINE_ARGS_BYTES ? null : item.args;
}

/** @returns which items of a chunk were stored, when not all were */
function prepareWhichWereStored(db: Database): (ids: readonly Uint8Array[], changes: number) => readonly boolean[] {
  const rowidOf = db.prepare(ROWID_OF);
  const lastRowid = db.prepare(LAST_ROWID);
  return (ids, changes) => {
    // New rows have the highest rowids; the first item of the chunk with an id is the one that it was stored for.
    const before = ((lastRowid.values()[0] as Row)[0] as number) - changes;
    const seen = new Set<number>();
    return ids.map((id) => {
      const rowid = (rowidOf.values(id)[0] as Row | undefined)?.[0] as number | undefined;
      if (rowid === undefined || rowid <= before || seen.has(rowid)) return false;
      seen.add(rowid);
      return true;
    });
  };
}

const ALL: readonly boolean[] = Array.from({ length: INSERT_CHUNK }, () => true);

function insertSql(rows: number): string {
  const row = `(0, 0, ${COLUMNS.map(() => "?").join(", ")})`;
  // Only the unique indexes can conflict, by a repeated id or key: the caller finds out which.
  return `insert into jobs (state, list_state, ${COLUMNS.join(", ")}) values ${Array.from({ length: rows }, () => row).join(", ")} on conflict do nothing`;
}

class Bindings {
  readonly values: Value[];
  readonly ids: readonly Uint8Array[];
  readonly #parentIds: readonly Uint8Array[];

  constructor(rows: number) {
    this.values = Array.from({ length: rows * COLUMNS.length }, () => null);
    this.ids = Array.from({ length: rows }, () => new Uint8Array(16));
    this.#parentIds = Array.from({ length: rows }, () => new Uint8Array(16));
  }

  writeId(index: number, jobId: string): Uint8Array {
    return write(jobId, this.ids[index]!);
  }

  writeParentId(index: number, jobId: string): Uint8Array {
    return write(jobId, this.#parentIds[index]!);
  }
}

function write(jobId: string, target: Uint8Array): Uint8Array {
  if (!writeJobId(jobId, target)) throw malformedJobId(jobId);
  return target;
}

function earlier(left: number | null, right: number | null): number | null {
  return left === null || right === null ? (left ?? right) : Math.min(left, right);
}
