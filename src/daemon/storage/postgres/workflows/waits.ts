import type { NewWait } from "../../../core/checkpoint.ts";
import { OF_WAIT, parkedGate, storedWaitOrder } from "../../rows/record-order.ts";
import type { EndedWaits, NewPark, ParkedJob, RegisteredWaits } from "../../seam/workflows.ts";
import { numberArray, readText, textArray, uuidArray } from "../connection/literals.ts";
import { LISTED_JOB_COLUMNS, type Row } from "../connection/rows.ts";
import { distinctIds } from "../session/job-reader.ts";
import type { WriteSession } from "../session/write-session.ts";
import { END, wakingIds } from "./end-waits.ts";
import { signalsAwaitedBy, takeSignals } from "./take-signals.ts";
import { FORGET, insertDetails, JOIN_DETAILS, SINCE } from "./wait-details.ts";

/*
 * No wake-up is lost between daemons, each of which sees only what others have committed (READ COMMITTED):
 * - Ending a wait first locks the row of its job, then writes the wait, then reads the job's state in a later statement.
 *   Parking a job first writes the row of the job, then reads its waits. So one of the two waits for the other and sees
 *   what it did.
 * - Others cannot see a new wait at all: emitting and awaiting an event take the same advisory lock, and a job whose end
 *   is awaited is share-locked before its state is read.
 */

const LOCK_EVENTS = `with named as materialized (
    select distinct hashtext(name) as key from unnest($1::text[]) as given (name) order by key
  )
  select count(*) from (
    select pg_advisory_xact_lock(hashtext('reseolio.events'), key) from named order by key
  ) as locked`;

/**
 * A known wait keeps its time: a sleep ends when it was to end, however often it is registered. Its operation becomes
 * that of this execution.
 */
const REGISTER = `insert into reseolio.checkpoints as known
    (job_id, name, kind, place, due_at, is_length, event_name, awaited_id, gate, op)
  select given.job_id, given.name, given.kind, given.place,
    coalesce(given.due_at, (select reseolio.now_ms()) + given.after_ms), given.after_ms is not null, given.event_name,
    given.awaited_id, given.gate, given.op
  from unnest($1::uuid[], $2::text[], $3::smallint[], $4::int[], $5::bigint[], $6::bigint[], $7::text[], $8::uuid[],
    $9::int[], $10::bigint[])
    as given (job_id, name, kind, place, due_at, after_ms, event_name, awaited_id, gate, op)
  order by given.job_id, given.name
  on conflict (job_id, name) do update set place = 0, gate = excluded.gate, op = excluded.op
  where known.recorded_at is null and excluded.gate is not null
    and (known.gate is null or known.op is distinct from excluded.op)`;

const LOCK_AWAITED = `select 1 from reseolio.jobs as job
  where job.id = any (array(
    select awaited_id from reseolio.checkpoints
    where job_id = any ($1::uuid[]) and recorded_at is null and awaited_id is not null
  ))
  order by job.id for share`;

/**
 * A park with an order gives the waits of its handler their place, also those that ended while the handler was busy. A
 * wait inside another operation (without op) has none. `not in` is hashed, while `not exists` compared 6,000 waits with
 * each of 6,000 others, as the planner expects few of them.
 */
const SET_WAKING = `with given as materialized (
    select * from unnest($2::uuid[], $3::text[], $4::int[], $5::int[], $6::bigint[])
      as given (job_id, name, seq, gate, lease_token)
  ),
  others as (
    update reseolio.checkpoints as wait set wakes = false
    where wait.job_id = any ($1::uuid[]) and wait.recorded_at is null and wait.wakes
      and (wait.job_id, wait.name) not in (select job_id, name from given)
  )
  update reseolio.checkpoints as wait
  set wakes = wait.wakes or wait.recorded_at is null,
    place = case when wait.op is null then wait.place else coalesce(given.seq, wait.place) end,
    gate = case when wait.op is null or given.seq is null then wait.gate else given.gate | (wait.gate & ${OF_WAIT}) end,
    lease_token = case when wait.op is null or given.seq is null then wait.lease_token else given.lease_token end
  from given
  where wait.job_id = given.job_id and wait.name = given.name and case when wait.recorded_at is null
    then given.seq is not null or not wait.wakes
    else given.seq is not null and wait.op is not null and wait.place = 0 end`;

/** An event counts when it happened before the wait was over, however late the store checks. */
const IS_IN_TIME = "given.due_at is null or given.due_at > (select reseolio.now_ms()) or given.due_at >=";
const PAYLOAD = `case
    when (detail.since_start is not true or event.emitted_at >= ${SINCE})
      and (${IS_IN_TIME} event.emitted_at) then event.payload
    when event.latest_at >= ${SINCE} and (${IS_IN_TIME} event.latest_at) then event.latest_payload
  end as payload`;

/** Some emission of the event counts for the wait, in time or not. */
const HAS_HAPPENED = `(event.name is not null
    and (detail.since_start is not true or greatest(event.emitted_at, event.latest_at) >= ${SINCE}))`;

const END_OVER = `with over as materialized (
    select given.job_id, given.name, ${PAYLOAD}, job.lease_token,
      case when awaited.state > 3 then awaited.error end as error
    from reseolio.checkpoints as given
    join reseolio.jobs as job on job.id = given.job_id
    ${JOIN_DETAILS}
    left join reseolio.events as event on event.name = given.event_name
    left join reseolio.jobs as awaited on awaited.id = given.awaited_id
    where given.job_id = any ($1::uuid[]) and given.recorded_at is null and given.wakes
      and (${HAS_HAPPENED} or given.due_at <= (select reseolio.now_ms())
        or (given.awaited_id is not null and (awaited.id is null or awaited.state >= 3)))
  ),
  ${FORGET}
  ${END}`;

const PARKED = `select ${LISTED_JOB_COLUMNS},
    exists (select 1 from reseolio.workers as worker where worker.worker_id = job.worker_id)
  from reseolio.jobs as job`;

const OVER = `${PARKED}
  where job.state = 2 and job.id = any (array(
    select known.job_id from unnest($1::uuid[], $2::text[]) as given (job_id, name)
    join reseolio.checkpoints as known on known.job_id = given.job_id and known.name = given.name
    where known.recorded_at is not null
  ))
  order by job.id`;

const NEXT_OF_JOBS = `select min(due_at) from reseolio.checkpoints
  where job_id = any ($1::uuid[]) and recorded_at is null and due_at is not null`;

/** Skips waits that another daemon is processing; the next pass finds the ones that remain. */
const END_DUE = `with over as materialized (
    select given.job_id, given.name, ${PAYLOAD}, job.lease_token, null::text as error
    from (
      select job_id, name, event_name, due_at from reseolio.checkpoints
      where recorded_at is null and due_at is not null and due_at <= (select reseolio.now_ms())
      order by due_at limit $1::int
    ) as given
    join reseolio.jobs as job on job.id = given.job_id
    ${JOIN_DETAILS}
    left join reseolio.events as event on event.name = given.event_name
    order by job.id for no key update of job skip locked
  ),
  ${FORGET}
  ${END}`;

const END_FOR_EVENTS = `with over as materialized (
    select given.job_id, given.name, ${PAYLOAD}, job.lease_token, null::text as error
    from unnest($1::text[]) as named (event_name)
    join reseolio.events as event on event.name = named.event_name
    cross join lateral (
      select given.job_id, given.name, given.due_at from reseolio.checkpoints as given
      ${JOIN_DETAILS} and detail.since_start
      left join reseolio.jobs as job on job.id = detail.job_id
      where given.recorded_at is null and given.event_name = named.event_name and ${HAS_HAPPENED}
      order by given.job_id, given.name limit $2::int
    ) as given
    join reseolio.jobs as job on job.id = given.job_id
    ${JOIN_DETAILS}
    order by job.id for no key update of job
  ),
  ${FORGET}
  ${END}`;

/** Sent after the statements that end the jobs, so that it sees which jobs have ended. */
const END_FOR_JOBS = `with over as materialized (
    select given.job_id, given.name, null::bytea as payload, job.lease_token, given.error
    from (
      select job_id, name,
        (select ended.error from reseolio.jobs as ended where ended.id = wait.awaited_id and ended.state > 3) as error
      from reseolio.checkpoints as wait
      where awaited_id = any ($1::uuid[]) and recorded_at is null
        and (select ended.state from reseolio.jobs as ended where ended.id = wait.awaited_id) >= 3
    ) as given
    join reseolio.jobs as job on job.id = given.job_id
    order by job.id for no key update of job
  )
  ${END}`;

const PARKED_OF = `${PARKED} where job.id = any ($1::uuid[]) and job.state = 2 order by job.id`;
const DROP = `with forgotten as (delete from reseolio.wait_details where job_id = any ($1::uuid[]))
  delete from reseolio.checkpoints where job_id = any ($1::uuid[]) and recorded_at is null`;

/** Keeps others from emitting these events, and from parking jobs for them, until the transaction is over. */
export async function lockEvents({ runner }: WriteSession, names: readonly string[]): Promise<void> {
  if (names.length > 0) await runner.rows(LOCK_EVENTS, [textArray(names)]);
}

/** Sends six statements, and two more for special waits, at once, for any number of parked jobs. */
export async function registerWaits(session: WriteSession, parks: readonly NewPark[]): Promise<RegisteredWaits> {
  const { runner } = session;
  const jobs = uuidArray(distinctIds(parks.map((park) => park.jobId)));
  const names = parks.flatMap((park) => park.waitingNames.map((name) => [park, name] as const));
  const waiting = [uuidArray(names.map(([{ jobId }]) => jobId)), textArray(names.map(([, name]) => name))];
  const orders = [
    numberArray(names.map(([{ order }]) => order?.seq ?? null)),
    numberArray(names.map(([{ order }]) => (order === null ? null : parkedGate(order)))),
    numberArray(names.map(([{ leaseToken }]) => leaseToken)),
  ];
  const [, , , , , , over, next] = await Promise.all([
    insertDetails(session, parks),
    insertWaits(session, parks),
    runner.rows(LOCK_AWAITED, [jobs]),
    runner.rows(SET_WAKING, [jobs, ...waiting, ...orders]),
    takeSignals(session, signalsAwaitedBy(parks)),
    runner.rows(END_OVER, [jobs]),
    runner.rows(OVER, waiting),
    runner.rows(NEXT_OF_JOBS, [jobs]),
  ]);
  return { over: await parkedOf(session, over), nextDueAt: next[0]![0] as number | null };
}

function insertWaits({ runner }: WriteSession, parks: readonly NewPark[]): Promise<unknown> {
  const waits = parks.flatMap((park) =>
    park.waits.map((wait, order) => {
      return { jobId: park.jobId, wait, stored: storedWaitOrder(wait.kind, wait.order, park.place + order) };
    }),
  );
  if (waits.length === 0) return Promise.resolve();
  return runner.rows(REGISTER, [
    uuidArray(waits.map(({ jobId }) => jobId)),
    textArray(waits.map(({ wait }) => wait.name)),
    numberArray(waits.map(({ stored }) => stored.kind)),
    numberArray(waits.map(({ stored }) => stored.place)),
    numberArray(waits.map(({ wait }) => ("sleepUntil" in wait ? Math.ceil(wait.sleepUntil) : null))),
    numberArray(waits.map(({ wait }) => afterMs(wait))),
    textArray(waits.map(({ wait }) => (wait.kind === "event" ? wait.eventName : null))),
    uuidArray(waits.map(({ wait }) => (wait.kind === "job" ? wait.awaitedJobId : null))),
    numberArray(waits.map(({ stored }) => stored.gate)),
    numberArray(waits.map(({ stored }) => stored.op)),
  ]);
}

function afterMs(wait: NewWait): number | null {
  if (wait.kind === "event" || wait.kind === "signal")
    return wait.timeoutMs === null ? null : Math.ceil(wait.timeoutMs);
  return "sleepMs" in wait ? Math.ceil(wait.sleepMs) : null;
}

export async function endDueWaits(session: WriteSession, limit: number): Promise<EndedWaits> {
  return ended(session, await session.runner.rows(END_DUE, [limit]));
}

export interface EndedForEvents {
  /** The number of ended waits of each event, by its name. */
  readonly counts: ReadonlyMap<string, number>;
  readonly waking: ReadonlyMap<string, readonly string[]>;
}

/** Ends at most `limit` waits for each of the events. */
export async function endForEvents(
  { runner }: WriteSession,
  names: readonly string[],
  limit: number,
): Promise<EndedForEvents> {
  const counts = new Map<string, number>();
  const waking = new Map<string, string[]>(names.map((name) => [name, []]));
  if (names.length === 0) return { counts, waking };
  for (const row of await runner.rows(END_FOR_EVENTS, [textArray(names), limit])) {
    const [jobId, wakes, stored] = row as readonly [string, boolean, string];
    const name = readText(stored);
    counts.set(name, (counts.get(name) ?? 0) + 1);
    if (wakes) waking.get(name)!.push(jobId);
  }
  return { counts, waking };
}

/** Sends its statement at once and answers later, with the ids of the waiting jobs. */
export async function endForJobs({ runner }: WriteSession, jobIds: readonly string[]): Promise<readonly string[]> {
  const ids = distinctIds(jobIds);
  return ids.length === 0 ? [] : wakingIds(await runner.rows(END_FOR_JOBS, [uuidArray(ids)]));
}

/** Finds the jobs that are parked. */
export async function findParked(session: WriteSession, jobIds: readonly string[]): Promise<readonly ParkedJob[]> {
  return jobIds.length === 0
    ? []
    : parkedOf(session, await session.runner.rows(PARKED_OF, [uuidArray(distinctIds(jobIds))]));
}

/** Deletes the waits of jobs that have ended. */
export async function dropWaits({ runner }: WriteSession, jobIds: readonly string[]): Promise<void> {
  if (jobIds.length > 0) await runner.rows(DROP, [uuidArray(distinctIds(jobIds))]);
}

async function ended(session: WriteSession, rows: readonly Row[]): Promise<EndedWaits> {
  return { ended: rows.length, woken: await findParked(session, wakingIds(rows)) };
}

async function parkedOf({ reader }: WriteSession, rows: readonly Row[]): Promise<readonly ParkedJob[]> {
  const jobs = await reader.jobsOf(rows.map((row) => row.slice(0, -1)));
  return jobs.map((job, index) => ({ job, isWorkerThere: rows[index]!.at(-1) === true }));
}
