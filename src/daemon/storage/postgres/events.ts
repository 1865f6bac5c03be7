import type { Event } from "../../core/checkpoint.ts";
import type { EmitOutcome, EndedWaits, EventToStore } from "../checkpoint-store.ts";
import type { JobReader } from "./job-reader.ts";
import { readText, storedText } from "./literals.ts";
import type { Runner } from "./runner.ts";
import { endForEvent } from "./waits.ts";
import type { WriteSession } from "./write-session.ts";

const INSERT = `insert into reseolio.events (name, payload, emitted_at) values ($1, $2, reseolio.now_ms())
  on conflict (name) do nothing returning emitted_at`;
const READ = "select name, payload, emitted_at from reseolio.events where name = $1";
const COUNT_WAITING = "select count(*)::int from reseolio.checkpoints where recorded_at is null and event_name = $1";
const SET_SPREADING = "update reseolio.events set is_spreading = $2::bool where name = $1";
const SPREADING = `select name from reseolio.events where is_spreading
  order by name limit 1 for update skip locked`;
const PRUNE = `delete from reseolio.events where name = any (array(
    select name from reseolio.events where emitted_at < $1::bigint and not is_spreading
    order by emitted_at limit $2::int for update skip locked
  ))
  returning 1`;

export async function getEvent(reads: Runner, name: string): Promise<Event | null> {
  const row = (await reads.rows(READ, [storedText(name)]))[0];
  if (row === undefined) return null;
  return { name: readText(row[0] as string), payload: row[1] as Uint8Array, emittedAt: row[2] as number };
}

/** Jobs that wait for an event that has not happened. */
export async function countWaiting(reads: Runner, name: string): Promise<number> {
  return (await reads.rows(COUNT_WAITING, [storedText(name)]))[0]![0] as number;
}

/** One after the other: two of one name are one event. Under the locks of `lockEvents`. */
export async function emitEvents(
  session: WriteSession,
  reader: JobReader,
  events: readonly EventToStore[],
  limit: number,
): Promise<readonly EmitOutcome[]> {
  const outcomes: EmitOutcome[] = [];
  for (const event of events) outcomes.push(await emitOne(session, reader, event, limit));
  return outcomes;
}

async function emitOne(
  session: WriteSession,
  reader: JobReader,
  { name, payload }: EventToStore,
  limit: number,
): Promise<EmitOutcome> {
  const { runner } = session;
  const [inserted, waiting] = await Promise.all([
    runner.rows(INSERT, [storedText(name), payload]),
    countWaiting(runner, name),
  ]);
  const emittedAt = inserted[0]?.[0] as number | undefined;
  if (emittedAt === undefined) {
    return { event: (await getEvent(runner, name))!, created: false, waiting: 0, woken: [] };
  }
  const event = { name, payload, emittedAt };
  if (waiting === 0) return { event, created: true, waiting, woken: [] };
  const { ended, woken } = await endForEvent(session, reader, name, limit);
  if (ended < waiting) await runner.rows(SET_SPREADING, [storedText(name), true]);
  return { event, created: true, waiting, woken };
}

/** What another daemon spreads at the same moment is left to it. */
export async function spreadEvents(session: WriteSession, reader: JobReader, limit: number): Promise<EndedWaits> {
  const row = (await session.runner.rows(SPREADING))[0];
  if (row === undefined) return { ended: 0, woken: [] };
  const stored = row[0] as string;
  const result = await endForEvent(session, reader, readText(stored), limit);
  if (result.ended < limit) await session.runner.rows(SET_SPREADING, [stored, false]);
  return result;
}

export async function pruneEvents({ runner }: WriteSession, emittedBefore: number, limit: number): Promise<number> {
  return (await runner.rows(PRUNE, [emittedBefore, limit])).length;
}
