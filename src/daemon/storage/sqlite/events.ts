import type { Event } from "../../core/checkpoint.ts";
import type { EmitOutcome, EndedWaits, EventDeletion, EventToStore } from "../checkpoint-store.ts";
import type { Row } from "./rows.ts";
import type { Waits } from "./waits.ts";
import type { WriteSession } from "./write-session.ts";
import type { Database } from "bun:sqlite";

export interface Events {
  emit(events: readonly EventToStore[], limit: number, now: number): readonly EmitOutcome[];
  spread(limit: number, now: number): EndedWaits;
  isSpreading(): boolean;
  prune(emittedBefore: number, limit: number): number;
  delete(name: string): EventDeletion;
}

export interface EventReader {
  getEvent(name: string): Event | null;
  countWaiting(name: string): number;
}

export function prepareEventReader(db: Database): EventReader {
  const event = db.prepare("select name, payload, emitted_at from events where name = ?");
  const waiting = db.prepare("select count(*) from checkpoints where recorded_at is null and event_name = ?");
  return {
    getEvent(name) {
      const row = event.values(name)[0] as [string, Uint8Array, number] | undefined;
      return row === undefined ? null : { name: row[0], payload: row[1], emittedAt: row[2] };
    },
    countWaiting: (name) => (waiting.values(name)[0] as Row)[0] as number,
  };
}

export function prepareEvents({ db }: WriteSession, waits: Waits): Events {
  const reader = prepareEventReader(db);
  const insert = db.prepare("insert into events (name, payload, emitted_at) values (?, ?, ?) on conflict do nothing");
  const setSpreading = db.prepare("update events set is_spreading = ? where name = ?");
  const spreading = db.prepare("select name from events where is_spreading = 1 limit 1");
  const setLatest = db.prepare("update events set latest_at = ?, latest_payload = ? where name = ?");
  const waitingSinceStart = db.prepare(
    `select count(*) from checkpoints where recorded_at is null and event_name = ? and exists (
       select 1 from wait_details
       where wait_details.job_id = checkpoints.job_id and wait_details.name = checkpoints.name and since_start = 1
     )`,
  );
  const old = "select rowid from events where emitted_at < ?1 and is_spreading = 0 order by emitted_at limit (?2 + 0)";
  const renewOld = db.prepare(
    `update events set emitted_at = latest_at, payload = latest_payload, latest_at = null, latest_payload = null
     where rowid in (${old}) and latest_at >= ?1`,
  );
  const deleteOld = db.prepare(`delete from events where rowid in (${old})`);
  const deleteOne = db.prepare("delete from events where name = ? and is_spreading = 0");

  function emitOne({ name, payload }: EventToStore, limit: number, now: number): EmitOutcome {
    const waiting = reader.countWaiting(name);
    if (insert.run(name, payload, now).changes === 0) return emitAgain({ name, payload }, waiting, limit, now);
    const { ended, woken } = waits.endForEvent(name, limit, now);
    if (ended < waiting) setSpreading.run(1, name);
    return { event: { name, payload, emittedAt: now }, created: true, waiting, woken };
  }

  /** Only waits that begin with their job are told; what is left of the first emission may be among them. */
  function emitAgain({ name, payload }: EventToStore, all: number, limit: number, now: number): EmitOutcome {
    setLatest.run(now, payload, name);
    const outcome = { event: reader.getEvent(name)!, created: false };
    const waiting = all === 0 ? 0 : ((waitingSinceStart.values(name)[0] as Row)[0] as number);
    if (waiting === 0) return { ...outcome, waiting, woken: [] };
    const { ended, woken } = waits.endForEvent(name, limit, now);
    if (ended < all) setSpreading.run(1, name);
    return { ...outcome, waiting, woken };
  }

  return {
    emit: (events, limit, now) => events.map((event) => emitOne(event, limit, now)),
    spread(limit, now) {
      const row = spreading.values()[0] as [string] | undefined;
      if (row === undefined) return { ended: 0, woken: [] };
      const [name] = row;
      const result = waits.endForEvent(name, limit, now);
      if (result.ended < limit) setSpreading.run(0, name);
      return result;
    },
    isSpreading: () => spreading.values().length > 0,
    prune: (emittedBefore, limit) =>
      renewOld.run(emittedBefore, limit).changes + deleteOld.run(emittedBefore, limit).changes,
    delete(name) {
      if (deleteOne.run(name).changes === 1) return "deleted";
      return reader.getEvent(name) === null ? "unknown" : "spreading";
    },
  };
}
