import type { Database } from "bun:sqlite";
import type { Event } from "../../../core/checkpoint.ts";
import type { Guard } from "../../guard.ts";
import type { EmitOutcome, EventDeletion, EventReads, EventWrites, NewEvent } from "../../seam/events.ts";
import type { EndedWaits } from "../../seam/workflows.ts";
import type { Row } from "../connection/rows.ts";
import type { WriteSession } from "../session/write-session.ts";
import type { Waits } from "./waits.ts";

const READ = "select name, payload, emitted_at from events where name = ?";

const COUNT_WAITING = "select count(*) from checkpoints where recorded_at is null and event_name = ?";

/** Waits that begin with their job. */
const COUNT_SINCE_START = `select count(*) from checkpoints where recorded_at is null and event_name = ? and exists (
    select 1 from wait_details
    where wait_details.job_id = checkpoints.job_id and wait_details.name = checkpoints.name and since_start = 1
  )`;

const EMIT = "insert into events (name, payload, emitted_at) values (?, ?, ?) on conflict do nothing";

const EMIT_AGAIN = "update events set latest_at = ?, latest_payload = ? where name = ?";

const SET_SPREADING = "update events set is_spreading = ? where name = ?";

const SPREADING = "select name from events where is_spreading = 1 limit 1";

const OLD = `select rowid from events where emitted_at < $emittedBefore and is_spreading = 0
  order by emitted_at limit ($limit + 0)`;

const RENEW_OLD = `update events
  set emitted_at = latest_at, payload = latest_payload, latest_at = null, latest_payload = null
  where rowid in (${OLD}) and latest_at >= $emittedBefore`;

const DELETE_OLD = `delete from events where rowid in (${OLD})`;

const DELETE = "delete from events where name = ? and is_spreading = 0";

export interface Events {
  emit(events: readonly NewEvent[], limit: number): readonly EmitOutcome[];
  spread(limit: number): EndedWaits;
  isSpreading(): boolean;
  prune(emittedBefore: number, limit: number): number;
  delete(name: string): EventDeletion;
}

interface EventReader {
  get(name: string): Event | null;
  countWaiting(name: string): number;
}

/** @returns what makes the part of one transaction */
export function prepareEventWrites(events: Events): (guard: Guard) => EventWrites {
  return (guard) => ({
    // Nobody else writes this file.
    lock: guard(() => {}),
    emit: guard(events.emit),
    spread: guard(events.spread),
    prune: guard(events.prune),
    delete: guard(events.delete),
  });
}

/** @param db the connection that reads */
export function prepareEventReads(db: Database, guard: Guard): EventReads {
  const reader = prepareReader(db);
  return { get: guard(reader.get), countWaiting: guard(reader.countWaiting) };
}

function prepareReader(db: Database): EventReader {
  const event = db.prepare(READ);
  const waiting = db.prepare(COUNT_WAITING);
  return {
    get(name) {
      const row = event.values(name)[0] as [string, Uint8Array, number] | undefined;
      return row === undefined ? null : { name: row[0], payload: row[1], emittedAt: row[2] };
    },
    countWaiting: (name) => (waiting.values(name)[0] as Row)[0] as number,
  };
}

export function prepareEvents(session: WriteSession, waits: Waits): Events {
  const { db } = session;
  const reader = prepareReader(db);
  const setSpreading = db.prepare(SET_SPREADING);
  const spreading = db.prepare(SPREADING);
  const deleteOne = db.prepare(DELETE);
  const emit = prepareEmit(session, waits, reader);
  return {
    emit: (events, limit) => events.map((event) => emit(event, limit)),
    spread(limit) {
      const row = spreading.values()[0] as [string] | undefined;
      if (row === undefined) return { ended: 0, woken: [] };
      const [name] = row;
      const result = waits.endForEvent(name, limit, session.now);
      if (result.ended < limit) setSpreading.run(0, name);
      return result;
    },
    isSpreading: () => spreading.values().length > 0,
    prune: preparePrune(db),
    delete(name) {
      if (deleteOne.run(name).changes === 1) return "deleted";
      return reader.get(name) === null ? "unknown" : "spreading";
    },
  };
}

function prepareEmit(session: WriteSession, waits: Waits, reader: EventReader) {
  const { db } = session;
  const insert = db.prepare(EMIT);
  const setLatest = db.prepare(EMIT_AGAIN);
  const setSpreading = db.prepare(SET_SPREADING);
  const waitingSinceStart = db.prepare(COUNT_SINCE_START);

  function emitOne(event: NewEvent, limit: number): EmitOutcome {
    const { name, payload } = event;
    const { now } = session;
    const waiting = reader.countWaiting(name);
    if (insert.run(name, payload, now).changes === 0) return emitAgain(event, waiting, limit);
    const { ended, woken } = waits.endForEvent(name, limit, now);
    if (ended < waiting) setSpreading.run(1, name);
    return { event: { name, payload, emittedAt: now }, created: true, waiting, woken };
  }

  /** Ends only waits that begin with their job; what is left of the first emission may be among them. */
  function emitAgain({ name, payload }: NewEvent, all: number, limit: number): EmitOutcome {
    setLatest.run(session.now, payload, name);
    const outcome = { event: reader.get(name)!, created: false };
    const waiting = all === 0 ? 0 : ((waitingSinceStart.values(name)[0] as Row)[0] as number);
    if (waiting === 0) return { ...outcome, waiting, woken: [] };
    const { ended, woken } = waits.endForEvent(name, limit, session.now);
    if (ended < all) setSpreading.run(1, name);
    return { ...outcome, waiting, woken };
  }

  return emitOne;
}

function preparePrune(db: Database): (emittedBefore: number, limit: number) => number {
  const renewOld = db.prepare(RENEW_OLD);
  const deleteOld = db.prepare(DELETE_OLD);
  return (emittedBefore, limit) => {
    const old = { $emittedBefore: emittedBefore, $limit: limit };
    return renewOld.run(old).changes + deleteOld.run(old).changes;
  };
}
