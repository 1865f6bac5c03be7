/** A million rows in seconds: written straight into the file of a daemon that is not running. */
import { Database } from "bun:sqlite";

/** States by the numbers of the schema. */
export type FilledState = "PENDING" | "SUCCESS" | "DEAD" | "CANCELLED";

/** Jobs of one function in one state. */
export interface Filling {
  readonly functionName: string;
  readonly state: FilledState;
  readonly count: number;
  /** PENDING only: not before this far in the future. [now] */
  readonly delayMs?: number;
}

const STATE_NUMBERS: Readonly<Record<FilledState, number>> = { PENDING: 0, SUCCESS: 3, DEAD: 4, CANCELLED: 5 };
const DAY_MS = 24 * 60 * 60 * 1000;
const SLICE = 100_000;

/**
 * Adds jobs as the daemon would have stored them, spread over the day that ends now, and keeps the counters. The file
 * must have the daemon's schema, and no daemon.
 */
export function fillDatabase(path: string, fillings: readonly Filling[]): void {
  const db = new Database(path, { readwrite: true });
  try {
    db.run("pragma journal_mode = wal");
    db.run("pragma synchronous = off");
    db.run("pragma cache_size = -262144");
    for (const filling of fillings) fill(db, filling);
    db.run("pragma wal_checkpoint(truncate)");
    db.run("pragma optimize");
  } finally {
    db.close(true);
  }
}

function fill(db: Database, filling: Filling): void {
  const functionId = functionNumber(db, filling.functionName);
  const state = STATE_NUMBERS[filling.state];
  for (let from = 0; from < filling.count; from += SLICE) {
    const rows = Math.min(SLICE, filling.count - from);
    db.transaction(() => insertSlice(db, filling, functionId, from, rows)).immediate();
  }
  db.query(
    `insert into job_counts (function_id, state, count) values (?, ?, ?)
     on conflict (function_id, state) do update set count = count + excluded.count`,
  ).run(functionId, state, filling.count);
}

function functionNumber(db: Database, name: string): number {
  db.query("insert into functions (name) values (?) on conflict (name) do nothing").run(name);
  return db.query<{ id: number }, [string]>("select id from functions where name = ?").get(name)?.id ?? 0;
}

function insertSlice(db: Database, filling: Filling, functionId: number, from: number, rows: number): void {
  const now = Date.now();
  const isPending = filling.state === "PENDING";
  const isFinished = !isPending;
  db.query(INSERT).run({
    $functionId: functionId,
    $state: STATE_NUMBERS[filling.state],
    $isReady: isPending ? (filling.delayMs === undefined ? 1 : 0) : null,
    $delayMs: filling.delayMs ?? 0,
    $attempt: isFinished ? 1 : 0,
    $isFinished: isFinished ? 1 : 0,
    $error: filling.state === "DEAD" ? '{"name":"Error","message":"no luck"}' : null,
    $result: filling.state === "SUCCESS" ? Buffer.from("null") : null,
    $args: Buffer.from(
      '["customer-4711",{"amount":129.9,"currency":"EUR","note":"from the filling of the benchmark"}]',
    ),
    $firstAt: now - DAY_MS,
    $stepMs: DAY_MS / filling.count,
    $from: from,
    $rows: rows,
  });
}

/** Ids are UUIDv7 of the time of creation, so that rows come in the order in which a daemon would have made them. */
const INSERT = `
with recursive counter (n) as (
  select $from union all select n + 1 from counter where n + 1 < $from + $rows
), times as (
  select n, cast($firstAt + n * $stepMs as integer) as at from counter
)
insert into jobs (
  id, function_id, state, list_state, is_ready, priority, run_at, deadline_at, lease_token, attempt, max_attempts, backoff,
  initial_delay_ms, max_delay_ms, jitter, timeout_ms, created_at, started_at, finished_at, worker_id, error, args, result
)
select
  unhex(printf('%012x7%03x8%03x%012x', at, n & 4095, abs(random()) & 4095, abs(random()) & 281474976710655)),
  $functionId, $state, iif($state < 2, 0, $state), $isReady, 0, at + iif($delayMs > 0, $delayMs + 86400000, 0), null,
  $attempt, $attempt, 3, 2, 1000, 60000, 0.1, 30000, at,
  iif($isFinished, at + 2, null), iif($isFinished, at + 5, null), iif($isFinished, 'filled', null),
  $error, $args, $result
from times`;
