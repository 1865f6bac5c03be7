import type { Database } from "bun:sqlite";
import type { NewWait } from "../../../core/checkpoint.ts";
import { isWaitOver } from "../../../core/wait-end.ts";
import { jobIdBytes, writeJobId } from "../../rows/job-id.ts";
import { OF_WAIT, parkedGate, storedWaitOrder } from "../../rows/record-order.ts";
import type { NewPark, ParkedJob, RegisteredWaits } from "../../seam/workflows.ts";
import type { WriteSession } from "../session/write-session.ts";
import { type Ends, type Parked, timedColumns, type TimedWaitRow } from "./end-waits.ts";
import { prepareWaitDetails } from "./wait-details.ts";

/**
 * A known wait keeps its time: a sleep ends when it was to end, however often it is registered. Its operation becomes
 * that of this execution.
 */
const REGISTER = `insert into checkpoints (job_id, name, kind, place, due_at, is_length, event_name, awaited_id, gate, op)
  values ($jobId, $name, $kind, $place, $dueAt, $isLength, $eventName, $awaitedId, $gate, $op)
  on conflict do update set place = 0, gate = excluded.gate, op = excluded.op
    where recorded_at is null and excluded.gate is not null and (gate is null or op is not excluded.op)`;

const SLEEP_OTHERS = "update checkpoints set wakes = 0 where job_id = ? and recorded_at is null and wakes = 1";

const SET_WAKING = "update checkpoints set wakes = 1 where job_id = ? and name = ? and recorded_at is null";

/** Includes waits that ended while the handler was busy. A wait inside another operation (without op) has no place. */
const SET_WAKING_AT = `update checkpoints set wakes = iif(recorded_at is null, 1, wakes),
    place = iif(op is null, place, $seq),
    gate = iif(op is null, gate, $gate | (gate & ${OF_WAIT})),
    lease_token = iif(op is null, lease_token, $leaseToken)
  where job_id = $jobId and name = $name and (recorded_at is null or (op is not null and place = 0))`;

const PENDING = `select ${timedColumns("?3")}, awaited_id from checkpoints
  where job_id = ?1 and name = ?2 and recorded_at is null`;

const IS_RECORDED = "select 1 from checkpoints where job_id = ? and name = ? and recorded_at is not null";

const IS_LIVE = "select 1 from jobs where id = ? and state < 3";

/** A TimedWaitRow, awaited_id. */
type AwaitingRow = readonly [...TimedWaitRow, Uint8Array | null];

export type RegisterWaits = (parks: readonly NewPark[], now: number) => RegisteredWaits;

export function prepareRegister(session: WriteSession, ends: Ends, parked: Parked): RegisterWaits {
  const { db } = session;
  const insert = prepareInsertWait(session);
  const wakeFor = prepareWakeFor(db);
  const endIfOver = prepareEndIfOver(db, ends);
  const sleepOthers = db.prepare(SLEEP_OTHERS);
  const isRecorded = db.prepare(IS_RECORDED);
  const id = new Uint8Array(16);

  function registerOne(park: NewPark, now: number): { readonly isOver: boolean; readonly nextDueAt: number | null } {
    for (const [index, wait] of park.waits.entries()) insert(id, wait, park.place + index, now);
    for (const wait of park.waits) if (wait.kind === "signal") ends.takeSignals(id, wait.signalName, now);
    sleepOthers.run(id);
    let isOver = false;
    let nextDueAt: number | null = null;
    for (const name of park.waitingNames) {
      wakeFor(id, park, name);
      nextDueAt = earlier(nextDueAt, endIfOver(id, name, now));
      isOver ||= isRecorded.values(id, name).length > 0;
    }
    return { isOver, nextDueAt };
  }

  return (parks, now) => {
    const over: ParkedJob[] = [];
    let nextDueAt: number | null = null;
    for (const park of parks) {
      if (!writeJobId(park.jobId, id)) continue;
      const registered = registerOne(park, now);
      nextDueAt = earlier(nextDueAt, registered.nextDueAt);
      if (registered.isOver) over.push(...parked.of([id]));
    }
    return { over, nextDueAt };
  };
}

function prepareInsertWait({ db, awaited }: WriteSession) {
  const insert = db.prepare(REGISTER);
  const details = prepareWaitDetails(db);
  return (id: Uint8Array, wait: NewWait, order: number, now: number): void => {
    const stored = storedWaitOrder(wait.kind, wait.order, order);
    details.insert(id, wait);
    const { changes } = insert.run({
      $jobId: id,
      $name: wait.name,
      $kind: stored.kind,
      $place: stored.place,
      $dueAt: dueAtOf(wait, now),
      $isLength: "sleepUntil" in wait ? 0 : 1,
      $eventName: wait.kind === "event" ? wait.eventName : null,
      $awaitedId: wait.kind === "job" ? jobIdBytes(wait.awaitedJobId) : null,
      $gate: stored.gate,
      $op: stored.op,
    });
    if (changes === 1 && wait.kind === "job") awaited.add(wait.awaitedJobId.toLowerCase());
  };
}

function prepareWakeFor(db: Database) {
  const wake = db.prepare(SET_WAKING);
  const wakeAt = db.prepare(SET_WAKING_AT);
  return (id: Uint8Array, { order, leaseToken }: NewPark, name: string): void => {
    if (order === null) wake.run(id, name);
    else wakeAt.run({ $jobId: id, $name: name, $seq: order.seq, $gate: parkedGate(order), $leaseToken: leaseToken });
  };
}

/** @returns a function that ends a wait if it is over, and otherwise returns the time at which it is due */
function prepareEndIfOver(db: Database, ends: Ends) {
  const pending = db.prepare(PENDING);
  const isLive = db.prepare(IS_LIVE);
  return (id: Uint8Array, name: string, now: number): number | null => {
    const row = pending.values(id, name, now)[0] as unknown as AwaitingRow | undefined;
    if (row === undefined) return null;
    const [, , , dueAt, eventName, since, , awaitedId] = row;
    const payload = ends.payloadFor(eventName, dueAt, since, now);
    const hasEnded = awaitedId !== null && isLive.values(awaitedId).length === 0;
    if (!isWaitOver({ dueAt, hasPayload: payload !== null, hasEnded }, now)) return dueAt;
    ends.timed(row, payload, now);
    return null;
  };
}

function earlier(left: number | null, right: number | null): number | null {
  return left === null || right === null ? (left ?? right) : Math.min(left, right);
}

function dueAtOf(wait: NewWait, now: number): number | null {
  switch (wait.kind) {
    case "sleep":
      return Math.ceil("sleepMs" in wait ? now + wait.sleepMs : wait.sleepUntil);
    case "event":
    case "signal":
      return wait.timeoutMs === null ? null : Math.ceil(now + wait.timeoutMs);
    case "job":
      return null;
  }
}
