import { STATE_CODES } from "../../rows/codes.ts";
import { isJobId } from "../../rows/job-id.ts";
import type { NewJob, InsertedJobs } from "../../seam/jobs.ts";
import { headersText } from "../../rows/rows.ts";
import { isReady } from "../../rows/run-at.ts";
import type { Connections } from "../connection/connections.ts";
import { isDeadlock, isTaken } from "../connection/faults.ts";
import type { FunctionNames } from "../session/function-names.ts";
import { hintText, newHints } from "../cluster/hints.ts";
import { isUsualTime } from "../session/id-times.ts";
import { inLockOrder, INSERT_GIVEN, optionColumns } from "./insert-jobs.ts";
import { bytesArray, numberArray, type Param, textArray, uuidArray } from "../connection/literals.ts";
import type { ServerTime } from "../connection/server-time.ts";

/** Beyond it, looking up a job's kind costs more than it saves. */
const MOST_KINDS = 16;

/** What is decided before the statement is decided by a time that may be wrong by so much. */
const TIME_OFF_MS = 1_000;

/**
 * Everything that such a transaction does, as one statement. Most jobs of a batch have the same options: these travel
 * once for each kind, since reading 17 values a job would be a third of the work. Refused when somebody must be told
 * each change, which takes the time, and when the time is not what it was thought to be.
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

export interface AloneWriter {
  readonly connections: Connections;
  readonly time: ServerTime;
  readonly functions: FunctionNames;
  /** Of hints. */
  readonly channel: string;
  readonly listenerId: string;
}

/** As `Store` says. All of the items or none: an id that is taken undoes the statement. */
export async function insertInOneStatement(
  writer: AloneWriter,
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

/** Nothing but its id can be in its way. */
function isPlain({ jobId, parentId, options }: NewJob, now: number): boolean {
  return parentId === null && options.idempotencyKey === null && isJobId(jobId) && isUsualTime(jobId, now, TIME_OFF_MS);
}

/** Jobs by what they have in common. */
interface Kinds {
  readonly items: readonly NewJob[];
  /** One job of each kind. */
  readonly firsts: readonly NewJob[];
  /** For each item its kind, from 1; and how many each kind has. */
  readonly places: readonly number[];
  readonly counts: readonly number[];
}

/** Null when there are too many. */
function kindsOf(items: readonly NewJob[]): Kinds | null {
  const firsts: NewJob[] = [];
  const counts: number[] = [];
  const places: number[] = [];
  for (const item of items) {
    let place = firsts.findIndex((first) => isSameKind(first, item));
    if (place < 0) {
      place = firsts.push(item) - 1;
      if (firsts.length > MOST_KINDS) return null;
      counts.push(0);
    }
    counts[place]! += 1;
    places.push(place + 1);
  }
  return { items, firsts, places, counts };
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
  { functions, channel, listenerId }: AloneWriter,
  { items, firsts, places, counts }: Kinds,
  estimate: number,
): readonly Param[] {
  const functionIds = numberArray(firsts.map((item) => functions.idOf(item.functionName)));
  return [
    listenerId,
    estimate,
    uuidArray(items.map((item) => item.jobId)),
    textArray(items.map((item) => headersText(item.options.headers))),
    bytesArray(items.map((item) => item.args)),
    numberArray(places),
    functionIds,
    ...optionColumns(firsts.map((item) => item.options)),
    functionIds,
    numberArray(counts),
    channel,
    textArray(hintsOf(firsts, estimate, listenerId)),
  ];
}

/** A job that becomes ready just now is better told in vain than not at all. */
function hintsOf(firsts: readonly NewJob[], estimate: number, listenerId: string): readonly string[] {
  const hints = newHints();
  for (const item of firsts) {
    if (isReady(item, estimate + TIME_OFF_MS)) hints.readyFunctions.add(item.functionName);
  }
  const text = hintText(hints, listenerId);
  return text === null ? [] : [text];
}
