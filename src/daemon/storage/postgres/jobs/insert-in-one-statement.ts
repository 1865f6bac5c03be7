import { isJobId } from "../../rows/job-id.ts";
import { headersText, isReady, STATE_CODES } from "../../rows/job-rows.ts";
import type { InsertedJobs, NewJob } from "../../seam/jobs.ts";
import { hintText, newHints } from "../cluster/hints.ts";
import type { Connections } from "../connection/connections.ts";
import { isDeadlock, isTaken } from "../connection/faults.ts";
import { bytesArray, numberArray, type Param, textArray, uuidArray } from "../connection/literals.ts";
import type { ServerTime } from "../connection/server-time.ts";
import type { FunctionNames } from "../session/functions.ts";
import { isUsualTime } from "../session/write-session.ts";
import { inLockOrder, INSERT_GIVEN, optionColumns } from "./enqueue-jobs.ts";

/** With more kinds, looking up the kind of each job costs more than it saves. */
const MOST_KINDS = 16;

/** How far the time that is estimated before the statement may be off. */
const TIME_OFF_MS = 1_000;

/**
 * Everything that such a transaction does, as one statement. Most jobs of a batch have the same options: these are sent
 * once per kind, since reading 17 values per job would be a third of the work. The statement stores nothing when another
 * daemon watches every change, which needs the exact time, or when the estimated time was wrong.
 */
const STORE = `with clock as materialized (
    select reseolio.now_ms() as now, count(*) > 0 as is_listened,
      coalesce(bool_or(wants_changes), false) or abs(reseolio.now_ms() - $2::bigint) > ${TIME_OFF_MS} as is_refused
    from reseolio.listeners where listener_id <> $1 and expires_at > (select reseolio.now_ms())
  ),
  stored as (
    ${INSERT_GIVEN}
    from clock
    cross join (
      select job.id, job.headers, job.args, null::uuid as parent_id, null::text as key,
        ($7::int[])[kind] as function_id, ($8::int[])[kind] as priority, ($9::bigint[])[kind] as run_at,
        ($10::bigint[])[kind] as delay_ms, ($11::int[])[kind] as max_attempts, ($12::smallint[])[kind] as backoff,
        ($13::bigint[])[kind] as initial_delay_ms, ($14::bigint[])[kind] as max_delay_ms,
        ($15::float8[])[kind] as jitter, ($16::bigint[])[kind] as timeout_ms, ($17::bigint[])[kind] as start_ms,
        ($18::bigint[])[kind] as finish_ms
      from unnest($3::uuid[], $4::text[], $5::bytea[], $6::int[]) as job (id, headers, args, kind)
    ) as given
    where not clock.is_refused
  ),
  counted as (
    insert into reseolio.job_count_deltas (function_id, state, delta)
    select given.function_id, ${STATE_CODES.PENDING}, given.delta
    from clock cross join unnest($19::int[], $20::bigint[]) as given (function_id, delta)
    where not clock.is_refused
  )
  select clock.now, clock.is_refused,
    (select count(pg_notify($21, hint)::text) from unnest($22::text[]) as hint
      where clock.is_listened and not clock.is_refused)
  from clock`;

export interface StatementWriter {
  readonly connections: Connections;
  readonly time: ServerTime;
  readonly functions: FunctionNames;
  /** The channel of hints. */
  readonly channel: string;
  readonly listenerId: string;
}

/**
 * Implements `JobReads.insertInOneStatement`. Stores all of the items or none: if an id is taken, nothing is stored.
 */
export async function insertInOneStatement(
  writer: StatementWriter,
  items: readonly NewJob[],
): Promise<InsertedJobs | null> {
  const { connections, functions, time } = writer;
  const estimate = time.now();
  const kinds = items.every((item) => isPlain(item, estimate)) ? kindsOf(inLockOrder(items)) : null;
  if (kinds === null) return null;
  await functions.ensure(kinds.firsts.map((item) => item.functionName));
  const answer = time.ask();
  try {
    const rows = await connections.alone(STORE, parameters(writer, kinds, estimate));
    const [now, isRefused] = rows[0] as readonly [number, boolean];
    answer(now);
    if (isRefused) return null;
    return {
      now,
      outcomes: items.map((item) => ({ kind: "stored", jobId: item.jobId.toLowerCase(), ready: isReady(item, now) })),
    };
  } catch (fault) {
    if (isTaken(fault) || isDeadlock(fault)) return null;
    throw fault;
  }
}

/** Whether nothing but a taken id can prevent the item from being stored. */
function isPlain({ jobId, parentId, options }: NewJob, now: number): boolean {
  return parentId === null && options.idempotencyKey === null && isJobId(jobId) && isUsualTime(jobId, now, TIME_OFF_MS);
}

/** Jobs grouped by function and options. */
interface Kinds {
  readonly items: readonly NewJob[];
  /** One job of each kind. */
  readonly firsts: readonly NewJob[];
  /** The kind of each item, from 1; and the number of items of each kind. */
  readonly kinds: readonly number[];
  readonly counts: readonly number[];
}

/** Null when there are too many kinds. */
function kindsOf(items: readonly NewJob[]): Kinds | null {
  const firsts: NewJob[] = [];
  const counts: number[] = [];
  const kinds: number[] = [];
  for (const item of items) {
    let index = firsts.findIndex((first) => isSameKind(first, item));
    if (index < 0) {
      index = firsts.push(item) - 1;
      if (firsts.length > MOST_KINDS) return null;
      counts.push(0);
    }
    counts[index]! += 1;
    kinds.push(index + 1);
  }
  return { items, firsts, kinds, counts };
}

function isSameKind({ functionName, options: one }: NewJob, item: NewJob): boolean {
  const other = item.options;
  return (
    functionName === item.functionName &&
    one.priority === other.priority &&
    one.runAt === other.runAt &&
    one.delayMs === other.delayMs &&
    one.maxAttempts === other.maxAttempts &&
    one.backoff === other.backoff &&
    one.initialDelayMs === other.initialDelayMs &&
    one.maxDelayMs === other.maxDelayMs &&
    one.jitter === other.jitter &&
    one.timeoutMs === other.timeoutMs &&
    one.startWithinMs === other.startWithinMs &&
    one.finishWithinMs === other.finishWithinMs
  );
}

function parameters(
  { functions, channel, listenerId }: StatementWriter,
  { items, firsts, kinds, counts }: Kinds,
  estimate: number,
): readonly Param[] {
  const functionIds = numberArray(firsts.map((item) => functions.idOf(item.functionName)));
  return [
    listenerId,
    estimate,
    uuidArray(items.map((item) => item.jobId)),
    textArray(items.map((item) => headersText(item.options.headers))),
    bytesArray(items.map((item) => item.args)),
    numberArray(kinds),
    functionIds,
    ...optionColumns(firsts.map((item) => item.options)),
    functionIds,
    numberArray(counts),
    channel,
    textArray(hintsOf(firsts, estimate, listenerId)),
  ];
}

/** A job that may just have become ready is announced: a needless hint is better than a missing one. */
function hintsOf(firsts: readonly NewJob[], estimate: number, listenerId: string): readonly string[] {
  const hints = newHints();
  for (const item of firsts) {
    if (isReady(item, estimate + TIME_OFF_MS)) hints.readyFunctions.add(item.functionName);
  }
  const text = hintText(hints, listenerId);
  return text === null ? [] : [text];
}
