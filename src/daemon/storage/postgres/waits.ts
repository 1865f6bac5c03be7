import type { NewWait } from "../../core/checkpoint.ts";
import type { EndedWaits, ParkedJob, RegisteredWaits, WaitsToStore } from "../checkpoint-store.ts";
import { KIND_CODES } from "../codes.ts";
import { type JobReader, distinctIds } from "./job-reader.ts";
import { numberArray, readText, textArray, uuidArray } from "./literals.ts";
import { LISTED_JOB_COLUMNS, type Row } from "./rows.ts";
import type { WriteSession } from "./write-session.ts";

/*
 * No wake-up is lost between daemons, each of which sees only what others have committed (READ COMMITTED):
 * - Whoever ends a wait holds the row of its job first, writes the wait, and looks at the job's state in a statement after
 *   that. Whoever parks a job writes the row of the job first, and looks at its waits after that. So one of the two waits
 *   for the other and sees what it did.
 * - A wait that is new is not seen by others at all: emitting and awaiting an event take the same advisory lock, and a
 *   job whose end is awaited is share-locked before its state is looked at.
 */

const LOCK_EVENTS = `with named as materialized (
    select distinct hashtext(name) as key from unnest($1::text[]) as given (name) order by key
  )
  select count(*) from (
    select pg_advisory_xact_lock(hashtext('reseolio.events'), key) from named order by key
  ) as locked`;

/** What is known keeps its time: a sleep ends when it was to end, however often it is told. */
const REGISTER = `insert into reseolio.checkpoints (job_id, name, kind, place, due_at, is_length, event_name, awaited_id)
  select given.job_id, given.name, given.kind, given.place,
    coalesce(given.due_at, (select reseolio.now_ms()) + given.after_ms), given.after_ms is not null, given.event_name,
    given.awaited_id
  from unnest($1::uuid[], $2::text[], $3::smallint[], $4::int[], $5::bigint[], $6::bigint[], $7::text[], $8::uuid[])
    as given (job_id, name, kind, place, due_at, after_ms, event_name, awaited_id)
  order by given.job_id, given.name
  on conflict (job_id, name) do nothing`;

const LOCK_AWAITED = `select 1 from reseolio.jobs as job
  where job.id = any (array(
    select awaited_id from reseolio.checkpoints
    where job_id = any ($1::uuid[]) and recorded_at is null and awaited_id is not null
  ))
  order by job.id for share`;

const SET_WAKING = `update reseolio.checkpoints as wait
  set wakes = exists (
    select 1 from unnest($2::uuid[], $3::text[]) as given (job_id, name)
    where given.job_id = wait.job_id and given.name = wait.name
  )
  where wait.job_id = any ($1::uuid[]) and wait.recorded_at is null`;

/** The token is that of the job as it is held, which may be newer than what the statement sees of it otherwise. */
const END = `update reseolio.checkpoints as wait
  set recorded_at = (select reseolio.now_ms()), value = over.payload, lease_token = over.lease_token,
    timed_out = wait.event_name is not null and over.payload is null
  from over
  where wait.job_id = over.job_id and wait.name = over.name and wait.recorded_at is null
  returning wait.job_id, wait.wakes, wait.event_name`;

/** An event counts that happened before the wait was over, however late it is looked at. */
const PAYLOAD = `case when given.due_at is null or given.due_at > (select reseolio.now_ms())
    or event.emitted_at <= given.due_at then event.payload end as payload`;

const END_OVER = `with over as materialized (
    select given.job_id, given.name, ${PAYLOAD}, job.lease_token from reseolio.checkpoints as given
    join reseolio.jobs as job on job.id = given.job_id
    left join reseolio.events as event on event.name = given.event_name
    left join reseolio.jobs as awaited on awaited.id = given.awaited_id
    where given.job_id = any ($1::uuid[]) and given.recorded_at is null
      and (event.name is not null or given.due_at <= (select reseolio.now_ms())
        or (given.awaited_id is not null and (awaited.id is null or awaited.state >= 3)))
  )
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

/** What another daemon works on at the same moment is left to it, or to the next look. */
const END_DUE = `with over as materialized (
    select given.job_id, given.name, ${PAYLOAD}, job.lease_token
    from (
      select job_id, name, event_name, due_at from reseolio.checkpoints
      where recorded_at is null and due_at is not null and due_at <= (select reseolio.now_ms())
      order by due_at limit $1::int
    ) as given
    join reseolio.jobs as job on job.id = given.job_id
    left join reseolio.events as event on event.name = given.event_name
    order by job.id for no key update of job skip locked
  )
  ${END}`;

const END_FOR_EVENTS = `with over as materialized (
    select given.job_id, given.name, ${PAYLOAD}, job.lease_token
    from unnest($1::text[]) as named (event_name)
    cross join lateral (
      select job_id, name, due_at from reseolio.checkpoints
      where recorded_at is null and event_name = named.event_name
      order by job_id, name limit $2::int
    ) as given
    join reseolio.jobs as job on job.id = given.job_id
    join reseolio.events as event on event.name = named.event_name
    order by job.id for no key update of job
  )
  ${END}`;

/** To be sent behind the statements that end the jobs: it sees which of them did. */
const END_FOR_JOBS = `with over as materialized (
    select given.job_id, given.name, null::bytea as payload, job.lease_token
    from (
      select job_id, name from reseolio.checkpoints as wait
      where awaited_id = any ($1::uuid[]) and recorded_at is null
        and (select ended.state from reseolio.jobs as ended where ended.id = wait.awaited_id) >= 3
    ) as given
    join reseolio.jobs as job on job.id = given.job_id
    order by job.id for no key update of job
  )
  ${END}`;

const PARKED_OF = `${PARKED} where job.id = any ($1::uuid[]) and job.state = 2 order by job.id`;
const DROP = "delete from reseolio.checkpoints where job_id = any ($1::uuid[]) and recorded_at is null";

/** Keeps others from emitting these events, and from parking jobs for them, until the transaction is over. */
export async function lockEvents({ runner }: WriteSession, names: readonly string[]): Promise<void> {
  if (names.length > 0) await runner.rows(LOCK_EVENTS, [textArray(names)]);
}

/** Six statements, sent at once, for any number of parked jobs. */
export async function registerWaits(
  session: WriteSession,
  reader: JobReader,
  parks: readonly WaitsToStore[],
): Promise<RegisteredWaits> {
  const { runner } = session;
  const jobs = uuidArray(distinctIds(parks.map((park) => park.jobId)));
  const names = parks.flatMap(({ jobId, waitingNames }) => waitingNames.map((name) => [jobId, name] as const));
  const waiting = [uuidArray(names.map(([jobId]) => jobId)), textArray(names.map(([, name]) => name))];
  const [, , , , over, next] = await Promise.all([
    insertWaits(session, parks),
    runner.rows(LOCK_AWAITED, [jobs]),
    runner.rows(SET_WAKING, [jobs, ...waiting]),
    runner.rows(END_OVER, [jobs]),
    runner.rows(OVER, waiting),
    runner.rows(NEXT_OF_JOBS, [jobs]),
  ]);
  return { over: await parkedOf(reader, over), nextDueAt: next[0]![0] as number | null };
}

function insertWaits({ runner }: WriteSession, parks: readonly WaitsToStore[]): Promise<unknown> {
  const waits = parks.flatMap((park) =>
    park.waits.map((wait, order) => ({ jobId: park.jobId, wait, place: park.place + order })),
  );
  if (waits.length === 0) return Promise.resolve();
  return runner.rows(REGISTER, [
    uuidArray(waits.map(({ jobId }) => jobId)),
    textArray(waits.map(({ wait }) => wait.name)),
    numberArray(waits.map(({ wait }) => KIND_CODES[wait.kind])),
    numberArray(waits.map(({ place }) => place)),
    numberArray(waits.map(({ wait }) => ("sleepUntil" in wait ? Math.ceil(wait.sleepUntil) : null))),
    numberArray(waits.map(({ wait }) => afterMs(wait))),
    textArray(waits.map(({ wait }) => (wait.kind === "event" ? wait.eventName : null))),
    uuidArray(waits.map(({ wait }) => (wait.kind === "job" ? wait.awaitedJobId : null))),
  ]);
}

function afterMs(wait: NewWait): number | null {
  if (wait.kind === "event") return wait.timeoutMs === null ? null : Math.ceil(wait.timeoutMs);
  return "sleepMs" in wait ? Math.ceil(wait.sleepMs) : null;
}

export async function endDueWaits(session: WriteSession, reader: JobReader, limit: number): Promise<EndedWaits> {
  return ended(session, reader, await session.runner.rows(END_DUE, [limit]));
}

export interface EndedForEvents {
  /** How many waits of each event, by its name. */
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

/** Sent at once, answered later: the ids of the waiting jobs. */
export async function endForJobs({ runner }: WriteSession, jobIds: readonly string[]): Promise<readonly string[]> {
  const ids = distinctIds(jobIds);
  return ids.length === 0 ? [] : wakingIds(await runner.rows(END_FOR_JOBS, [uuidArray(ids)]));
}

/** Those of the jobs that are parked. */
export async function findParked(
  { runner }: WriteSession,
  reader: JobReader,
  jobIds: readonly string[],
): Promise<readonly ParkedJob[]> {
  return jobIds.length === 0 ? [] : parkedOf(reader, await runner.rows(PARKED_OF, [uuidArray(distinctIds(jobIds))]));
}

/** What terminal jobs wait for no more. */
export async function dropWaits({ runner }: WriteSession, jobIds: readonly string[]): Promise<void> {
  if (jobIds.length > 0) await runner.rows(DROP, [uuidArray(distinctIds(jobIds))]);
}

async function ended(session: WriteSession, reader: JobReader, rows: readonly Row[]): Promise<EndedWaits> {
  return { ended: rows.length, woken: await findParked(session, reader, wakingIds(rows)) };
}

function wakingIds(rows: readonly Row[]): readonly string[] {
  return rows.filter((row) => row[1] === true).map((row) => row[0] as string);
}

async function parkedOf(reader: JobReader, rows: readonly Row[]): Promise<readonly ParkedJob[]> {
  const jobs = await reader.jobsOf(rows.map((row) => row.slice(0, -1)));
  return jobs.map((job, place) => ({ job, isWorkerThere: rows[place]!.at(-1) === true }));
}
