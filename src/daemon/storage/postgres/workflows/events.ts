import type { Event } from "../../../core/checkpoint.ts";
import type { Guard } from "../../guard.ts";
import type { EmitOutcome, EventDeletion, EventReads, EventWrites, NewEvent } from "../../seam/events.ts";
import type { EndedWaits, ParkedJob } from "../../seam/workflows.ts";
import { bytesArray, readText, storedText, textArray } from "../connection/literals.ts";
import type { Runner } from "../connection/runner.ts";
import { distinctIds } from "../session/job-reader.ts";
import type { WriteSession } from "../session/write-session.ts";
import { JOIN_DETAILS } from "./wait-details.ts";
import { endForEvents, findParked, lockEvents } from "./waits.ts";

/** Needs the locks of `lockEvents`. Returns the first payload of events that had happened before. */
const EMIT = `insert into reseolio.events as known (name, payload, emitted_at)
  select given.name, given.payload, reseolio.now_ms() from unnest($1::text[], $2::bytea[]) as given (name, payload)
  order by given.name on conflict (name) do update
  set latest_at = reseolio.now_ms(), latest_payload = excluded.payload
  returning name, emitted_at, case when latest_at is not null then payload end`;
const EMIT_AGAIN = `update reseolio.events as known set latest_at = reseolio.now_ms(), latest_payload = given.payload
  from unnest($1::text[], $2::bytea[]) as given (name, payload) where known.name = given.name`;
const READ = "select name, payload, emitted_at from reseolio.events where name = any ($1::text[])";
const COUNT_WAITING = "select count(*)::int from reseolio.checkpoints where recorded_at is null and event_name = $1";
/** Counts all waits, and those that begin with their job. */
const COUNT_EACH = `select event_name, count(*)::int, count(detail.job_id)::int from reseolio.checkpoints as given
  ${JOIN_DETAILS} and detail.since_start
  where recorded_at is null and event_name = any ($1::text[]) group by event_name`;
const SET_SPREADING = "update reseolio.events set is_spreading = $2::bool where name = any ($1::text[])";
const SPREADING = `select name from reseolio.events where is_spreading
  order by name limit 1 for update skip locked`;
const PRUNE = `with old as materialized (
    select name, latest_at >= $1::bigint as is_renewed from reseolio.events
    where emitted_at < $1::bigint and not is_spreading order by emitted_at limit $2::int for update skip locked
  ),
  renewed as (
    update reseolio.events as event
    set emitted_at = latest_at, payload = latest_payload, latest_at = null, latest_payload = null
    from old where event.name = old.name and old.is_renewed
  ),
  gone as (delete from reseolio.events as event using old where event.name = old.name and old.is_renewed is not true)
  select count(*)::int from old`;
const DELETE = `with gone as (delete from reseolio.events where name = $1 and not is_spreading returning 1)
  select exists (select 1 from gone), exists (select 1 from reseolio.events where name = $1)`;

/** How many waits one statement ends at most, to bound its duration. */
const MOST_ENDED = 5_000;

/** The part of one transaction. */
export function eventWrites(session: WriteSession, guard: Guard): EventWrites {
  return {
    lock: guard((names) => lockEvents(session, names)),
    emit: guard((events, limit) => emitEvents(session, events, limit)),
    spread: guard((limit) => spreadEvents(session, limit)),
    prune: guard((emittedBefore, limit) => pruneEvents(session, emittedBefore, limit)),
    delete: guard((name) => deleteEvent(session, name)),
  };
}

export function eventReads(reads: Runner, guard: Guard): EventReads {
  return {
    get: guard((name) => getEvent(reads, name)),
    countWaiting: guard((name) => countWaiting(reads, name)),
  };
}

async function getEvent(reads: Runner, name: string): Promise<Event | null> {
  return (await readEvents(reads, [name])).get(name) ?? null;
}

async function readEvents(reads: Runner, names: readonly string[]): Promise<ReadonlyMap<string, Event>> {
  if (names.length === 0) return new Map();
  const rows = (await reads.rows(READ, [textArray(names)])) as readonly (readonly [string, Uint8Array, number])[];
  const events = rows.map(([stored, payload, emittedAt]) => ({ name: readText(stored), payload, emittedAt }));
  return new Map(events.map((event) => [event.name, event]));
}

/** Jobs that wait for an event that has not happened. */
async function countWaiting(reads: Runner, name: string): Promise<number> {
  return (await reads.rows(COUNT_WAITING, [storedText(name)]))[0]![0] as number;
}

/**
 * Emits all events at once. The first of a name becomes the event, unless it had happened before; the last one becomes
 * its last emission. Needs the locks of `lockEvents`.
 */
async function emitEvents(
  session: WriteSession,
  events: readonly NewEvent[],
  limit: number,
): Promise<readonly EmitOutcome[]> {
  const byName = Map.groupBy(events, ({ name }) => name);
  const names = [...byName.keys()];
  const [kept, counts] = await Promise.all([
    emitEach(session.runner, [...byName.values()]),
    countEach(session.runner, names),
  ]);
  const waiting = (name: string): number => {
    const { all, sinceStart } = counts.get(name) ?? NONE;
    return kept.get(name)!.isNew ? all : sinceStart;
  };
  const awaited = names.filter((name) => waiting(name) > 0);
  const woken = await endWaits(session, awaited, counts, limit);
  return events.map((event): EmitOutcome => {
    const { name } = event;
    const { isNew, ...happened } = kept.get(name)!;
    const first = byName.get(name)![0]!;
    if (event !== first) return { event: happened, created: false, waiting: 0, woken: [] };
    return { event: happened, created: isNew, waiting: waiting(name), woken: woken.get(name) ?? [] };
  });
}

/** An event as it is kept. */
type KeptEvent = Event & { readonly isNew: boolean };

async function emitEach(
  runner: Runner,
  groups: readonly (readonly NewEvent[])[],
): Promise<ReadonlyMap<string, KeptEvent>> {
  const firsts = groups.map((group) => group[0]!);
  const repeated = groups.filter((group) => group.length > 1).map((group) => group.at(-1)!);
  const [rows] = await Promise.all([
    runner.rows(EMIT, columnsOf(firsts)),
    repeated.length === 0 ? [] : runner.rows(EMIT_AGAIN, columnsOf(repeated)),
  ]);
  const payloads = new Map(firsts.map(({ name, payload }) => [name, payload]));
  const events = (rows as readonly (readonly [string, number, Uint8Array | null])[]).map(
    ([stored, emittedAt, payload]): KeptEvent => {
      const name = readText(stored);
      return { name, payload: payload ?? payloads.get(name)!, emittedAt, isNew: payload === null };
    },
  );
  return new Map(events.map((event) => [event.name, event]));
}

function columnsOf(events: readonly NewEvent[]): readonly string[] {
  return [textArray(events.map(({ name }) => name)), bytesArray(events.map(({ payload }) => payload))];
}

interface WaitCounts {
  readonly all: number;
  readonly sinceStart: number;
}

const NONE: WaitCounts = { all: 0, sinceStart: 0 };

async function countEach(runner: Runner, names: readonly string[]): Promise<ReadonlyMap<string, WaitCounts>> {
  const rows = await runner.rows(COUNT_EACH, [textArray(names)]);
  return new Map(
    (rows as readonly (readonly [string, number, number])[]).map(([stored, all, sinceStart]) => [
      readText(stored),
      { all, sinceStart },
    ]),
  );
}

/** Ends waits for these events; returns the parked jobs that each wakes. `spreadEvents` ends the waits that remain. */
async function endWaits(
  session: WriteSession,
  names: readonly string[],
  counts: ReadonlyMap<string, WaitCounts>,
  limit: number,
): Promise<ReadonlyMap<string, readonly ParkedJob[]>> {
  if (names.length === 0) return new Map();
  const waking = new Map<string, readonly string[]>();
  const unfinished: string[] = [];
  for (const part of inParts(names, (name) => Math.min(counts.get(name)!.all, limit))) {
    const ended = await endForEvents(session, part, limit);
    for (const name of part) {
      waking.set(name, ended.waking.get(name)!);
      if ((ended.counts.get(name) ?? 0) < counts.get(name)!.all) unfinished.push(name);
    }
  }
  if (unfinished.length > 0) await session.runner.rows(SET_SPREADING, [textArray(unfinished), true]);
  const parked = await findParked(session, [...waking.values()].flat());
  const byId = new Map(parked.map((one) => [one.job.jobId, one]));
  const jobsOf = (ids: readonly string[]) => ids.map((id) => byId.get(id)).filter((one) => one !== undefined);
  return new Map([...waking].map(([name, ids]) => [name, jobsOf(distinctIds(ids))]));
}

function inParts(names: readonly string[], sizeOf: (name: string) => number): readonly (readonly string[])[] {
  const parts: string[][] = [];
  let room = 0;
  for (const name of names) {
    const size = sizeOf(name);
    if (size > room || parts.length === 0) {
      parts.push([]);
      room = MOST_ENDED;
    }
    parts.at(-1)!.push(name);
    room -= size;
  }
  return parts;
}

/** Skips an event that another daemon is spreading. */
async function spreadEvents(session: WriteSession, limit: number): Promise<EndedWaits> {
  const row = (await session.runner.rows(SPREADING))[0];
  if (row === undefined) return { ended: 0, woken: [] };
  const name = readText(row[0] as string);
  const { counts, waking } = await endForEvents(session, [name], limit);
  const ended = counts.get(name) ?? 0;
  if (ended < limit) await session.runner.rows(SET_SPREADING, [textArray([name]), false]);
  return { ended, woken: await findParked(session, waking.get(name)!) };
}

async function pruneEvents({ runner }: WriteSession, emittedBefore: number, limit: number): Promise<number> {
  return (await runner.rows(PRUNE, [emittedBefore, limit]))[0]![0] as number;
}

/** Needs the locks of `lockEvents`. */
async function deleteEvent({ runner }: WriteSession, name: string): Promise<EventDeletion> {
  const [isGone, wasThere] = (await runner.rows(DELETE, [storedText(name)]))[0] as unknown as [boolean, boolean];
  if (isGone) return "deleted";
  return wasThere ? "spreading" : "unknown";
}
