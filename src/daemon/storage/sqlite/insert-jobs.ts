import type { JobToStore } from "../job-store.ts";
import { BACKOFF_CODES } from "./codes.ts";
import { malformedJobId, writeJobId } from "./job-id.ts";
import { headersText, type Row, type Value } from "./rows.ts";
import { isReady, runAtOf } from "./run-at.ts";
import type { WriteSession } from "./write-session.ts";

/** True for each item that was stored; false when its id or its key was there already. */
export type InsertJobs = (items: readonly JobToStore[], now: number) => readonly boolean[];

/**
 * Args above this stand in their own table, written once: a row is rewritten with each change of state. Smaller ones
 * are cheaper in the row.
 */
const INLINE_ARGS_BYTES = 1024;

/** Rows of one statement: a third less work than a statement each; more rows gain nothing. */
const CHUNK = 16;

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

export function prepareInsertJobs(session: WriteSession): InsertJobs {
  const { db, functions, idTimes } = session;
  const insertOne = db.prepare(insertSql(1));
  const insertChunk = db.prepare(insertSql(CHUNK));
  const insertLargeArgs = db.prepare("insert into large_args (job_id, args) values (?, ?)");
  const rowidOf = db.prepare("select rowid from jobs where id = ?");
  const lastRowid = db.prepare("select max(rowid) from jobs");
  // Bound anew for each statement, so that a row costs no garbage.
  const one = new Bindings(1);
  const chunk = new Bindings(CHUNK);

  function insert(items: readonly JobToStore[], now: number): readonly boolean[] {
    const isStored: boolean[] = [];
    const chunked = items.length - (items.length % CHUNK);
    for (let start = 0; start < chunked; start += CHUNK) insertChunkOf(items, start, now, isStored);
    for (const item of items.slice(chunked)) {
      bind(one, 0, item, now);
      isStored.push(insertOne.run(...one.values).changes === 1);
    }
    for (const [index, item] of items.entries()) if (isStored[index]) storeApart(item, now);
    return isStored;
  }

  function insertChunkOf(items: readonly JobToStore[], start: number, now: number, isStored: boolean[]): void {
    for (let place = 0; place < CHUNK; place++) bind(chunk, place, items[start + place]!, now);
    const { changes } = insertChunk.run(...chunk.values);
    if (changes === CHUNK) for (let place = 0; place < CHUNK; place++) isStored.push(true);
    else isStored.push(...whichWereStored(changes));
  }

  /** New rows have the highest rowids; the first item of the chunk with an id is the one that it was stored for. */
  function whichWereStored(changes: number): readonly boolean[] {
    const before = ((lastRowid.values()[0] as Row)[0] as number) - changes;
    const seen = new Set<number>();
    return chunk.ids.map((id) => {
      const rowid = (rowidOf.values(id)[0] as Row | undefined)?.[0] as number | undefined;
      if (rowid === undefined || rowid <= before || seen.has(rowid)) return false;
      seen.add(rowid);
      return true;
    });
  }

  function storeApart(item: JobToStore, now: number): void {
    writeJobId(item.jobId, one.ids[0]!);
    idTimes.observe(one.ids[0]!, now);
    if (item.args.length > INLINE_ARGS_BYTES) insertLargeArgs.run(one.ids[0]!, item.args);
  }

  function bind(bindings: Bindings, place: number, item: JobToStore, now: number): void {
    const { values } = bindings;
    const { options } = item;
    const startBy = options.startWithinMs === null ? null : now + options.startWithinMs;
    const finishBy = options.finishWithinMs === null ? null : now + options.finishWithinMs;
    let at = place * COLUMNS.length;
    values[at++] = bindings.writeId(place, item.jobId);
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
    values[at++] = item.parentId === null ? null : bindings.writeParentId(place, item.parentId);
    values[at++] = options.idempotencyKey;
    values[at++] = headersText(options.headers);
    values[at] = item.args.length > INLINE_ARGS_BYTES ? null : item.args;
  }

  return insert;
}

function insertSql(rows: number): string {
  const row = `(0, ${COLUMNS.map(() => "?").join(", ")})`;
  // Only the unique indexes may be met here, by a repeated id or key: what that means is found out afterwards.
  return `insert into jobs (state, ${COLUMNS.join(", ")}) values ${Array(rows).fill(row).join(", ")} on conflict do nothing`;
}

class Bindings {
  readonly values: Value[];
  readonly ids: readonly Uint8Array[];
  readonly #parentIds: readonly Uint8Array[];

  constructor(rows: number) {
    this.values = Array<Value>(rows * COLUMNS.length).fill(null);
    this.ids = Array.from({ length: rows }, () => new Uint8Array(16));
    this.#parentIds = Array.from({ length: rows }, () => new Uint8Array(16));
  }

  writeId(place: number, jobId: string): Uint8Array {
    return write(jobId, this.ids[place]!);
  }

  writeParentId(place: number, jobId: string): Uint8Array {
    return write(jobId, this.#parentIds[place]!);
  }
}

function write(jobId: string, target: Uint8Array): Uint8Array {
  if (!writeJobId(jobId, target)) throw malformedJobId(jobId);
  return target;
}

function earlier(left: number | null, right: number | null): number | null {
  return left === null || right === null ? (left ?? right) : Math.min(left, right);
}
