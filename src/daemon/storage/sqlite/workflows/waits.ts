import type { NewWait } from "../../../core/checkpoint.ts";
import type { EndedWaits, ParkedJob, RegisteredWaits, NewPark } from "../../seam/workflows.ts";
import { jobIdBytes, writeJobId } from "../../rows/job-id.ts";
import { NOT_ALONE, OF_WAIT, parkedGate, storedWaitOrder } from "../../rows/record-order.ts";
import { LISTED_JOB_COLUMNS, listedJobFromRow, type Row } from "../connection/rows.ts";
import { prepareTakeSignals } from "./take-signals.ts";
import { prepareWaitDetails, sinceSql } from "./wait-details.ts";
import type { WriteSession } from "../session/write-session.ts";

export interface Waits {
  register(parks: readonly NewPark[], now: number): RegisteredWaits;
  endDue(limit: number, now: number): EndedWaits;
  /** Ends waits for an event that has happened, but for those that begin with a job which is younger. */
  endForEvent(name: string, limit: number, now: number): EndedWaits;
  /** Ends the waits for jobs that have ended. */
  endForJobs(jobIds: readonly string[], now: number): readonly ParkedJob[];
  /** Ends a job's waits for a signal with what is there of it. */
  takeSignals(jobId: Uint8Array, signalName: string, now: number): readonly ParkedJob[];
  /** When the first of all waits is due. */
  nextDueAt(): number | null;
}

/** job_id, name, wakes. */
type WaitRow = readonly [Uint8Array, string, number, ...unknown[]];
/** The same, due_at, event_name, since when an event counts, whether its end without a payload is a timeout. */
type TimedWaitRow = readonly [Uint8Array, string, number, number | null, string | null, number | null, number];

/** The same, awaited_id. */
type AwaitingRow = readonly [...TimedWaitRow, Uint8Array | null];

export function prepareWaits(session: WriteSession): Waits {
  const { db, functions, awaited } = session;
  const details = prepareWaitDetails(db);
  // What is known keeps its time: a sleep ends when it was to end, however often it is told. Its operation is the one
  // that this execution tells.
  const insert = db.prepare(
    `insert into checkpoints (job_id, name, kind, place, due_at, is_length, event_name, awaited_id, gate, op)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     on conflict do update set place = 0, gate = excluded.gate, op = excluded.op
       where recorded_at is null and excluded.gate is not null and (gate is null or op is not excluded.op)`,
  );
  const sleepOthers = db.prepare(
    "update checkpoints set wakes = 0 where job_id = ? and recorded_at is null and wakes = 1",
  );
  const wake = db.prepare("update checkpoints set wakes = 1 where job_id = ? and name = ? and recorded_at is null");
  // Also what ended while the handler was busy. A wait inside of another operation (without op) has no place.
  const wakeAt = db.prepare(
    `update checkpoints set wakes = iif(recorded_at is null, 1, wakes),
       place = iif(op is null, place, ?3),
       gate = iif(op is null, gate, ?4 | (gate & ${OF_WAIT})),
       lease_token = iif(op is null, lease_token, ?5)
     where job_id = ?1 and name = ?2 and (recorded_at is null or (op is not null and place = 0))`,
  );
  const pending = db.prepare(
    `select job_id, name, wakes, due_at, event_name, ${sinceSql("?3")}, kind not in (1, 5), awaited_id from checkpoints
     where job_id = ?1 and name = ?2 and recorded_at is null`,
  );
  const isRecorded = db.prepare("select 1 from checkpoints where job_id = ? and name = ? and recorded_at is not null");
  // A job that went on since it was parked for it gives it a place later.
  const token = "(select lease_token from jobs where jobs.id = checkpoints.job_id)";
  const end = db.prepare(
    `update checkpoints set recorded_at = ?, value = ?, timed_out = ?, lease_token = ${token},
       place = iif(gate is null or lease_token is ${token}, place, 0),
       gate = iif(gate is null or lease_token is ${token}, gate, (gate & ${OF_WAIT}) | ${NOT_ALONE}),
       error = iif(gate is null or awaited_id is null, null,
         (select error from jobs where jobs.id = checkpoints.awaited_id and state > 3))
     where job_id = ? and name = ?`,
  );
  const due = db.prepare(
    `select job_id, name, wakes, due_at, event_name, ${sinceSql("?1")}, kind not in (1, 5) from checkpoints
     where recorded_at is null and due_at is not null and due_at <= ?1 order by due_at limit (?2 + 0)`,
  );
  const forEvent = db.prepare(
    `select job_id, name, wakes, due_at, event_name, ${sinceSql("?2")} as since, 1 from checkpoints
     where recorded_at is null and event_name = ?1 and (since is null or since <= (
       select max(emitted_at, coalesce(latest_at, emitted_at)) from events where events.name = ?1
     )) limit (?3 + 0)`,
  );
  const forJob = db.prepare("select job_id, name, wakes from checkpoints where awaited_id = ? and recorded_at is null");
  // An event counts that happened before the wait was over, however late it is looked at.
  const payloadOf = db.prepare(
    `select case
       when (?4 is null or emitted_at >= ?4) and (?2 is null or ?2 > ?3 or emitted_at <= ?2) then payload
       when latest_at >= ?4 and (?2 is null or ?2 > ?3 or latest_at <= ?2) then latest_payload
     end from events where name = ?1`,
  );
  const isLive = db.prepare("select 1 from jobs where id = ? and state < 3");
  const parked = db.prepare(
    `select ${LISTED_JOB_COLUMNS}, exists (select 1 from workers where workers.worker_id = jobs.worker_id)
     from jobs where id = ? and state = 2`,
  );
  const next = db.prepare(
    "select due_at from checkpoints where recorded_at is null and due_at is not null order by due_at limit 1",
  );
  const takeSignals = prepareTakeSignals(db, (jobId, name, payload, now) => {
    end.run(now, payload, 0, jobId, name);
    details.forget(jobId, name);
  });
  const id = new Uint8Array(16);

  function register(parks: readonly NewPark[], now: number): RegisteredWaits {
    const over: ParkedJob[] = [];
    let nextDueAt: number | null = null;
    for (const park of parks) {
      if (!writeJobId(park.jobId, id)) continue;
      for (const [order, wait] of park.waits.entries()) insertWait(wait, park.place + order, now);
      for (const wait of park.waits) if (wait.kind === "signal") takeSignals(id, wait.signalName, now);
      sleepOthers.run(id);
      let isOver = false;
      for (const name of park.waitingNames) {
        wakeFor(park, name);
        const dueAt = endIfOver(name, now);
        if (dueAt !== null) nextDueAt = Math.min(nextDueAt ?? Infinity, dueAt);
        isOver ||= isRecorded.values(id, name).length > 0;
      }
      if (isOver) over.push(...parkedJobs([id]));
    }
    return { over, nextDueAt };
  }

  function insertWait(wait: NewWait, order: number, now: number): void {
    const eventName = wait.kind === "event" ? wait.eventName : null;
    const awaitedId = wait.kind === "job" ? jobIdBytes(wait.awaitedJobId) : null;
    const stored = storedWaitOrder(wait.kind, wait.order, order);
    const isLength = "sleepUntil" in wait ? 0 : 1;
    details.note(id, wait);
    const what = [dueAtOf(wait, now), isLength, eventName, awaitedId] as const;
    const { changes } = insert.run(id, wait.name, stored.kind, stored.place, ...what, stored.gate, stored.op);
    if (changes === 1 && wait.kind === "job") awaited.add(wait.awaitedJobId.toLowerCase());
  }

  function wakeFor({ order, leaseToken }: NewPark, name: string): void {
    if (order === null) wake.run(id, name);
    else wakeAt.run(id, name, order.seq, parkedGate(order), leaseToken);
  }

  /** Ends the wait if what it waits for is there; else returns its time. */
  function endIfOver(name: string, now: number): number | null {
    const row = pending.values(id, name, now)[0] as unknown as AwaitingRow | undefined;
    if (row === undefined) return null;
    const [, , , dueAt, eventName, since, , awaitedId] = row;
    const payload = payloadFor(eventName, dueAt, since, now);
    const isDue = dueAt !== null && dueAt <= now;
    const hasEnded = awaitedId !== null && isLive.values(awaitedId).length === 0;
    if (payload === null && !isDue && !hasEnded) return dueAt;
    endTimed(row, payload, now);
    return null;
  }

  function payloadFor(
    eventName: string | null,
    dueAt: number | null,
    since: number | null,
    now: number,
  ): Uint8Array | null {
    if (eventName === null) return null;
    const row = payloadOf.values(eventName, dueAt, now, since)[0] as Row | undefined;
    return (row?.[0] as Uint8Array | null | undefined) ?? null;
  }

  function endTimed(row: readonly [...TimedWaitRow, ...unknown[]], payload: Uint8Array | null, now: number): void {
    const [jobId, name, , , eventName, since, mayTimeOut] = row;
    end.run(now, payload, mayTimeOut === 1 && payload === null ? 1 : 0, jobId, name);
    if (since !== null || (mayTimeOut === 1 && eventName === null)) details.forget(jobId, name);
  }

  function parkedJobs(ids: Iterable<Uint8Array>): readonly ParkedJob[] {
    const jobs: ParkedJob[] = [];
    for (const jobId of ids) {
      const row = parked.values(jobId)[0] as Row | undefined;
      if (row === undefined) continue;
      const isWorkerThere = row.pop() === 1;
      jobs.push({ job: listedJobFromRow(row, functions), isWorkerThere });
    }
    return jobs;
  }

  function wokenBy(rows: readonly WaitRow[]): readonly ParkedJob[] {
    return parkedJobs(distinct(rows.filter((row) => row[2] === 1).map((row) => row[0])));
  }

  /** Waits for events and signals, and sleeps. */
  function endAll(rows: readonly TimedWaitRow[], now: number): EndedWaits {
    for (const row of rows) {
      const [, , , dueAt, eventName, since] = row;
      endTimed(row, payloadFor(eventName, dueAt, since, now), now);
    }
    return { ended: rows.length, woken: wokenBy(rows) };
  }

  return {
    register,
    endDue: (limit, now) => endAll(due.values(now, limit) as unknown as TimedWaitRow[], now),
    endForEvent: (name, limit, now) => endAll(forEvent.values(name, now, limit) as unknown as TimedWaitRow[], now),
    endForJobs(jobIds, now) {
      const rows = jobIds.flatMap((jobId) => forJob.values(jobIdBytes(jobId)) as unknown as WaitRow[]);
      for (const [jobId, name] of rows) end.run(now, null, 0, jobId, name);
      return wokenBy(rows);
    },
    takeSignals: (jobId, signalName, now) =>
      wokenBy(takeSignals(jobId, signalName, now).map(([name, wakes]): WaitRow => [jobId, name, wakes])),
    nextDueAt: () => ((next.values()[0] as Row | undefined)?.[0] as number | undefined) ?? null,
  };
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

function distinct(ids: readonly Uint8Array[]): Iterable<Uint8Array> {
  return new Map(ids.map((id) => [Buffer.from(id).toString("latin1"), id])).values();
}
