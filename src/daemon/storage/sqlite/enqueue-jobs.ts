import type { EnqueueOutcome, JobToStore } from "../job-store.ts";
import { isTerminal } from "../../core/job.ts";
import { BACKOFF_CODES, STATE_CODES, stateOf } from "./codes.ts";
import { jobIdText, malformedJobId, writeJobId } from "./job-id.ts";
import { headersText, type Row, type Value } from "./rows.ts";
import type { WriteSession } from "./write-session.ts";

/**
 * Args above this stand in their own table, written once: a row is rewritten with each change of state. Smaller ones
 * are cheaper in the row.
 */
const INLINE_ARGS_BYTES = 1024;

export type EnqueueJobs = (items: readonly JobToStore[], now: number) => readonly EnqueueOutcome[];

export function prepareEnqueueJobs(session: WriteSession): EnqueueJobs {
  const { db, functions, counters, idTimes } = session;
  // Only the unique indexes may be met here, by a repeated id or key: what that means is found out afterwards.
  const insert = db.prepare(
    `insert into jobs (id, function_id, state, is_ready, priority, run_at, deadline_at,
       max_attempts, backoff, initial_delay_ms, max_delay_ms, jitter, timeout_ms, created_at,
       start_by, finish_by, parent_id, idempotency_key, headers, args)
     values (?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     on conflict do nothing`,
  );
  const insertLargeArgs = db.prepare("insert into large_args (job_id, args) values (?, ?)");
  const byId = db.prepare("select function_id, state from jobs where id = ?");
  const byKey = db.prepare(
    `select jobs.id, jobs.state, coalesce(jobs.args, large_args.args) from jobs
     left join large_args on large_args.job_id = jobs.id
     where jobs.function_id = ? and jobs.idempotency_key = ?`,
  );
  const releaseKey = db.prepare("update jobs set idempotency_key = null where id = ?");
  const id = new Uint8Array(16);
  const parentId = new Uint8Array(16);

  function enqueue(item: JobToStore, now: number): EnqueueOutcome {
    writeIds(item);
    const functionId = functions.idOf(item.functionName);
    const ready = runAtOf(item, now) <= now;
    if (tryInsert(item, functionId, now, ready)) {
      counters.add(functionId, STATE_CODES.PENDING, 1);
      idTimes.observe(id, now);
      return { kind: "stored", jobId: item.jobId, ready };
    }
    return repeatedId(functionId) ?? repeatedKey(item, functionId, now);
  }

  function tryInsert(item: JobToStore, functionId: number, now: number, ready: boolean): boolean {
    const options = item.options;
    const startBy = options.startWithinMs === null ? null : now + options.startWithinMs;
    const finishBy = options.finishWithinMs === null ? null : now + options.finishWithinMs;
    const isLarge = item.args.length > INLINE_ARGS_BYTES;
    const { changes } = insert.run(
      id,
      functionId,
      ready ? 1 : 0,
      options.priority,
      runAtOf(item, now),
      earlier(startBy, finishBy),
      options.maxAttempts,
      BACKOFF_CODES[options.backoff],
      options.initialDelayMs,
      options.maxDelayMs,
      options.jitter,
      options.timeoutMs,
      now,
      startBy,
      finishBy,
      item.parentId === null ? null : parentId,
      options.idempotencyKey,
      headersText(options.headers),
      isLarge ? null : item.args,
    );
    if (changes === 0) return false;
    if (isLarge) insertLargeArgs.run(id, item.args);
    return true;
  }

  function repeatedId(functionId: number): EnqueueOutcome | null {
    const row = byId.values(id)[0] as Row | undefined;
    if (row === undefined) return null;
    const [holder, state] = row as [number, number];
    if (holder !== functionId) return { kind: "id_taken", functionName: functions.nameOf(holder) };
    return { kind: "repeated", jobId: jobIdText(id), state: stateOf(state) };
  }

  function repeatedKey(item: JobToStore, functionId: number, now: number): EnqueueOutcome {
    const row = byKey.values(functionId, item.options.idempotencyKey)[0] as Row | undefined;
    if (row === undefined) throw new Error(`job ${item.jobId} was not stored, yet neither its id nor its key is there`);
    const [holder, code, args] = row as [Uint8Array, number, Uint8Array];
    const jobId = jobIdText(holder);
    const state = stateOf(code);
    switch (item.options.onDuplicate) {
      case "reject":
        return { kind: "rejected", jobId, state };
      case "return_existing":
        return { kind: "deduplicated", jobId, state, argsDiffer: !sameBytes(args, item.args) };
      case "replace_finished":
        if (!isTerminal(state)) return { kind: "deduplicated", jobId, state, argsDiffer: !sameBytes(args, item.args) };
        releaseKey.run(holder);
        return enqueue(item, now);
    }
  }

  function writeIds(item: JobToStore): void {
    if (!writeJobId(item.jobId, id)) throw malformedJobId(item.jobId);
    if (item.parentId !== null && !writeJobId(item.parentId, parentId)) throw malformedJobId(item.parentId);
  }

  return (items, now) => items.map((item) => enqueue(item, now));
}

function runAtOf(item: JobToStore, now: number): number {
  const { runAt, delayMs } = item.options;
  return Math.ceil(runAt ?? now + (delayMs ?? 0));
}

function earlier(left: Value & (number | null), right: Value & (number | null)): number | null {
  if (left === null || right === null) return left ?? right;
  return Math.min(left, right);
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
