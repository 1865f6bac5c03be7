import type { JobToStore } from "../job-store.ts";
import { BACKOFF_CODES } from "../codes.ts";
import { isReady, runAtOf } from "../run-at.ts";
import { booleanArray, bytesArray, numberArray, type Param, textArray, uuidArray } from "./literals.ts";
import { headersText } from "./rows.ts";
import type { WriteSession } from "./write-session.ts";

const INSERT = `insert into reseolio.jobs (id, function_id, is_ready, priority, run_at, deadline_at, max_attempts,
    backoff, initial_delay_ms, max_delay_ms, jitter, timeout_ms, start_by, finish_by, parent_id, idempotency_key,
    headers, args, state, list_state, created_at)
  select given.*, 0, 0, $19::bigint
  from unnest($1::uuid[], $2::int[], $3::bool[], $4::int[], $5::bigint[], $6::bigint[], $7::int[], $8::smallint[],
    $9::bigint[], $10::bigint[], $11::float8[], $12::bigint[], $13::bigint[], $14::bigint[], $15::uuid[], $16::text[],
    $17::text[], $18::bytea[]) as given
  on conflict do nothing
  returning id`;

/**
 * Stores those of the items whose id and key are free, and returns their ids. No two items may have one id, or one key
 * of one function. Rows go in by key, then by id: two daemons that store the same keys wait for each other in one
 * order, and never in a circle.
 */
export async function insertJobs(
  session: WriteSession,
  items: readonly JobToStore[],
  now: number,
): Promise<ReadonlySet<string>> {
  const { functions, idTimes, runner } = session;
  const sorted = inLockOrder(items);
  const rows = await runner.rows(INSERT, columns(session, sorted, now));
  const stored = new Set(rows.map((row) => row[0] as string));
  for (const item of items) {
    if (!stored.has(item.jobId.toLowerCase())) continue;
    idTimes.observe(item.jobId, now);
    session.noteStored(functions.idOf(item.functionName), item.functionName, isReady(item, now));
  }
  return stored;
}

function inLockOrder(items: readonly JobToStore[]): readonly JobToStore[] {
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

function columns({ functions }: WriteSession, items: readonly JobToStore[], now: number): readonly Param[] {
  const startBy = items.map(({ options }) => (options.startWithinMs === null ? null : now + options.startWithinMs));
  const finishBy = items.map(({ options }) => (options.finishWithinMs === null ? null : now + options.finishWithinMs));
  return [
    uuidArray(items.map((item) => item.jobId)),
    numberArray(items.map((item) => functions.idOf(item.functionName))),
    booleanArray(items.map((item) => isReady(item, now))),
    numberArray(items.map((item) => item.options.priority)),
    numberArray(items.map((item) => runAtOf(item, now))),
    numberArray(startBy.map((time, place) => earlier(time, finishBy[place]!))),
    numberArray(items.map((item) => item.options.maxAttempts)),
    numberArray(items.map((item) => BACKOFF_CODES[item.options.backoff])),
    numberArray(items.map((item) => item.options.initialDelayMs)),
    numberArray(items.map((item) => item.options.maxDelayMs)),
    numberArray(items.map((item) => item.options.jitter)),
    numberArray(items.map((item) => item.options.timeoutMs)),
    numberArray(startBy),
    numberArray(finishBy),
    uuidArray(items.map((item) => item.parentId)),
    textArray(items.map((item) => item.options.idempotencyKey)),
    textArray(items.map((item) => headersText(item.options.headers))),
    bytesArray(items.map((item) => item.args)),
    now,
  ];
}

function earlier(left: number | null, right: number | null): number | null {
  return left === null || right === null ? (left ?? right) : Math.min(left, right);
}
