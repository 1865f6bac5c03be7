import type { JobOptions } from "../../../core/job-options.ts";
import type { NewJob } from "../../seam/jobs.ts";
import { BACKOFF_CODES } from "../../rows/codes.ts";
import { isReady } from "../../rows/run-at.ts";
import { bytesArray, numberArray, type Param, textArray, uuidArray } from "../connection/literals.ts";
import { headersText } from "../../rows/rows.ts";
import type { WriteSession } from "../session/write-session.ts";

/** The caller appends the FROM clause that defines `given` and `clock`. */
export const INSERT_GIVEN = `insert into reseolio.jobs (id, function_id, is_ready, priority, run_at, deadline_at, max_attempts,
    backoff, initial_delay_ms, max_delay_ms, jitter, timeout_ms, start_by, finish_by, parent_id, idempotency_key,
    headers, args, state, list_state, created_at)
  select given.id, given.function_id, coalesce(given.run_at, clock.now + given.delay_ms) <= clock.now, given.priority,
    coalesce(given.run_at, clock.now + given.delay_ms), clock.now + least(given.start_ms, given.finish_ms),
    given.max_attempts, given.backoff, given.initial_delay_ms, given.max_delay_ms, given.jitter, given.timeout_ms,
    clock.now + given.start_ms, clock.now + given.finish_ms, given.parent_id, given.key, given.headers, given.args,
    0, 0, clock.now`;

const INSERT = `${INSERT_GIVEN}
  from (select reseolio.now_ms() as now offset 0) as clock
  cross join unnest($1::uuid[], $2::int[], $3::int[], $4::bigint[], $5::bigint[], $6::int[], $7::smallint[],
    $8::bigint[], $9::bigint[], $10::float8[], $11::bigint[], $12::bigint[], $13::bigint[], $14::uuid[], $15::text[],
    $16::text[], $17::bytea[])
    as given (id, function_id, priority, run_at, delay_ms, max_attempts, backoff, initial_delay_ms, max_delay_ms,
      jitter, timeout_ms, start_ms, finish_ms, parent_id, key, headers, args)
  on conflict do nothing
  returning id`;

/**
 * Stores those of the items whose id and key are free, and returns their ids. No two items may have one id, or one key
 * of one function. Rows are inserted by key, then by id: two daemons that store the same keys take
 * their locks in the same order, so they cannot deadlock.
 */
export async function insertJobs(session: WriteSession, items: readonly NewJob[]): Promise<ReadonlySet<string>> {
  const { idTimes, runner } = session;
  const sorted = inLockOrder(items);
  const rows = await runner.rows(INSERT, columns(session, sorted));
  const stored = new Set(rows.map((row) => row[0] as string));
  const now = await session.now();
  for (const item of items) {
    if (!stored.has(item.jobId.toLowerCase())) continue;
    idTimes.observe(item.jobId, now);
    session.recordStored(item, isReady(item, now));
  }
  return stored;
}

export function inLockOrder(items: readonly NewJob[]): readonly NewJob[] {
  if (items.length < 2) return items;
  return items.toSorted((left, right) => {
    const leftKey = left.options.idempotencyKey;
    const rightKey = right.options.idempotencyKey;
    if (leftKey !== rightKey) {
      if (leftKey === null || rightKey === null) return leftKey === null ? 1 : -1;
      return leftKey < rightKey ? -1 : 1;
    }
    if (leftKey !== null && left.functionName !== right.functionName) {
      return left.functionName < right.functionName ? -1 : 1;
    }
    return left.jobId < right.jobId ? -1 : 1;
  });
}

/** Eleven arrays, from priority to finishWithinMs, with an element for each of the options. */
export function optionColumns(options: readonly JobOptions[]): readonly Param[] {
  return [
    numberArray(options.map(({ priority }) => priority)),
    numberArray(options.map(({ runAt }) => (runAt === null ? null : Math.ceil(runAt)))),
    numberArray(options.map(({ delayMs }) => Math.ceil(delayMs ?? 0))),
    numberArray(options.map(({ maxAttempts }) => maxAttempts)),
    numberArray(options.map(({ backoff }) => BACKOFF_CODES[backoff])),
    numberArray(options.map(({ initialDelayMs }) => initialDelayMs)),
    numberArray(options.map(({ maxDelayMs }) => maxDelayMs)),
    numberArray(options.map(({ jitter }) => jitter)),
    numberArray(options.map(({ timeoutMs }) => timeoutMs)),
    numberArray(options.map(({ startWithinMs }) => startWithinMs)),
    numberArray(options.map(({ finishWithinMs }) => finishWithinMs)),
  ];
}

function columns({ functions }: WriteSession, items: readonly NewJob[]): readonly Param[] {
  const options = items.map((item) => item.options);
  return [
    uuidArray(items.map((item) => item.jobId)),
    numberArray(items.map((item) => functions.idOf(item.functionName))),
    ...optionColumns(options),
    uuidArray(items.map((item) => item.parentId)),
    textArray(options.map(({ idempotencyKey }) => idempotencyKey)),
    textArray(options.map(({ headers }) => headersText(headers))),
    bytesArray(items.map((item) => item.args)),
  ];
}
