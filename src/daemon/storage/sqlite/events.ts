import type { Event } from "../../core/checkpoint.ts";
import type { EmitOutcome, EndedWaits, EventToStore } from "../checkpoint-store.ts";
import type { Row } from "./rows.ts";
import type { Waits } from "./waits.ts";
import type { WriteSession } from "./write-session.ts";
import type { Database } from "bun:sqlite";

export interface Events {
  emit(events: readonly EventToStore[], limit: number, now: number): readonly EmitOutcome[];
  spread(limit: number, now: number): EndedWaits;
  isSpreading(): boolean;
  prune(emittedBefore: number, limit: number): number;
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
  const old = db.prepare(
    `delete from events where rowid in (
       select rowid from events where emitted_at < ? and is_spreading = 0 order by emitted_at limit (? + 0)
     )`,
  );

  function emitOne({ name, payload }: EventToStore, limit: number, now: number): EmitOutcome {
    const waiting = reader.countWaiting(name);
    if (insert.run(name, payload, now).changes === 0) {
      return { event: reader.getEvent(name)!, created: false, waiting: 0, woken: [] };
    }
    const { ended, woken } = waits.endForEvent(name, limit, now);
    if (ended < waiting) setSpreading.run(1, name);
    return { event: { name, payload, emittedAt: now }, created: true, waiting, woken };
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
    prune: (emittedBefore, limit) => old.run(emittedBefore, limit).changes,
  };
}
