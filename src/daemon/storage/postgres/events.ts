import type { Event } from "../../core/checkpoint.ts";
import type { EmitOutcome, EndedWaits, EventToStore, ParkedJob } from "../checkpoint-store.ts";
import { distinctIds, type JobReader } from "./job-reader.ts";
import { bytesArray, readText, storedText, textArray } from "./literals.ts";
import type { Runner } from "./runner.ts";
import { endForEvents, findParked } from "./waits.ts";
import type { WriteSession } from "./write-session.ts";

/** Under the locks of `lockEvents`. */
const INSERT = `insert into reseolio.events (name, payload, emitted_at)
  select given.name, given.payload, reseolio.now_ms() from unnest($1::text[], $2::bytea[]) as given (name, payload)
  order by given.name on conflict (name) do nothing returning name, emitted_at`;
const READ = "select name, payload, emitted_at from reseolio.events where name = any ($1::text[])";
const COUNT_WAITING = "select count(*)::int from reseolio.checkpoints where recorded_at is null and event_name = $1";
const COUNT_EACH = `select event_name, count(*)::int from reseolio.checkpoints
  where recorded_at is null and event_name = any ($1::text[]) group by event_name`;
const SET_SPREADING = "update reseolio.events set is_spreading = $2::bool where name = any ($1::text[])";
const SPREADING = `select name from reseolio.events where is_spreading
  order by name limit 1 for update skip locked`;
const PRUNE = `delete from reseolio.events where name = any (array(
    select name from reseolio.events where emitted_at < $1::bigint and not is_spreading
    order by emitted_at limit $2::int for update skip locked
  ))
  returning 1`;

/** Waits that one statement ends: bounds the time that it takes. */
const MOST_ENDED = 5_000;

export async function getEvent(reads: Runner, name: string): Promise<Event | null> {
  return (await readEvents(reads, [name])).get(name) ?? null;
}

async function readEvents(reads: Runner, names: readonly string[]): Promise<ReadonlyMap<string, Event>> {
  if (names.length === 0) return new Map();
  const rows = (await reads.rows(READ, [textArray(names)])) as readonly (readonly [string, Uint8Array, number])[];
  const events = rows.map(([stored, payload, emittedAt]) => ({ name: readText(stored), payload, emittedAt }));
  return new Map(events.map((event) => [event.name, event]));
}

/** Jobs that wait for an event that has not happened. */
export async function countWaiting(reads: Runner, name: string): Promise<number> {
  return (await reads.rows(COUNT_WAITING, [storedText(name)]))[0]![0] as number;
}

/** All at once: two of one name are one event, that of the first. Under the locks of `lockEvents`. */
export async function emitEvents(
  session: WriteSession,
  reader: JobReader,
  events: readonly EventToStore[],
  limit: number,
): Promise<readonly EmitOutcome[]> {
  const { runner } = session;
  const firsts = new Map<string, EventToStore>();
  for (const event of events) if (!firsts.has(event.name)) firsts.set(event.name, event);
  const names = [...firsts.keys()];
  const [emittedAt, waiting] = await Promise.all([
    insertEvents(runner, [...firsts.values()]),
    countEach(runner, names),
  ]);
  const told = names.filter((name) => emittedAt.has(name) && waiting.has(name));
  const [kept, woken] = await Promise.all([
    readEvents(
      runner,
      names.filter((name) => !emittedAt.has(name)),
    ),
    tell(session, reader, told, waiting, limit),
  ]);
  return events.map((event): EmitOutcome => {
    const { name } = event;
    const first = firsts.get(name)!;
    const at = emittedAt.get(name);
    if (at === undefined) return { event: kept.get(name)!, created: false, ...NOBODY };
    const happened = { name, payload: first.payload, emittedAt: at };
    if (event !== first) return { event: happened, created: false, ...NOBODY };
    return { event: happened, created: true, waiting: waiting.get(name) ?? 0, woken: woken.get(name) ?? [] };
  });
}

const NOBODY = { waiting: 0, woken: [] };

/** When those happened that had not happened before. */
async function insertEvents(runner: Runner, events: readonly EventToStore[]): Promise<ReadonlyMap<string, number>> {
  const payloads = bytesArray(events.map(({ payload }) => payload));
  const rows = await runner.rows(INSERT, [textArray(events.map(({ name }) => name)), payloads]);
  return new Map((rows as readonly (readonly [string, number])[]).map(([stored, at]) => [readText(stored), at]));
}

async function countEach(runner: Runner, names: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const rows = (await runner.rows(COUNT_EACH, [textArray(names)])) as readonly (readonly [string, number])[];
  return new Map(rows.map(([stored, count]) => [readText(stored), count]));
}

/** Ends waits for these events; returns the parked jobs that each wakes. Marks what is left to `spreadEvents`. */
async function tell(
  session: WriteSession,
  reader: JobReader,
  names: readonly string[],
  waiting: ReadonlyMap<string, number>,
  limit: number,
): Promise<ReadonlyMap<string, readonly ParkedJob[]>> {
  const waking = new Map<string, readonly string[]>();
  const unfinished: string[] = [];
  for (const part of inParts(names, (name) => Math.min(waiting.get(name)!, limit))) {
    const ended = await endForEvents(session, part, limit);
    for (const name of part) {
      waking.set(name, ended.waking.get(name)!);
      if ((ended.counts.get(name) ?? 0) < waiting.get(name)!) unfinished.push(name);
    }
  }
  if (unfinished.length > 0) await session.runner.rows(SET_SPREADING, [textArray(unfinished), true]);
  const parked = await findParked(session, reader, [...waking.values()].flat());
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

/** What another daemon spreads at the same moment is left to it. */
export async function spreadEvents(session: WriteSession, reader: JobReader, limit: number): Promise<EndedWaits> {
  const row = (await session.runner.rows(SPREADING))[0];
  if (row === undefined) return { ended: 0, woken: [] };
  const name = readText(row[0] as string);
  const { counts, waking } = await endForEvents(session, [name], limit);
  const ended = counts.get(name) ?? 0;
  if (ended < limit) await session.runner.rows(SET_SPREADING, [textArray([name]), false]);
  return { ended, woken: await findParked(session, reader, waking.get(name)!) };
}

export async function pruneEvents({ runner }: WriteSession, emittedBefore: number, limit: number): Promise<number> {
  return (await runner.rows(PRUNE, [emittedBefore, limit])).length;
}
