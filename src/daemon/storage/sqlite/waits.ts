import type { NewWait } from "../../core/checkpoint.ts";
import type { EndedWaits, ParkedJob, RegisteredWaits, WaitsToStore } from "../checkpoint-store.ts";
import { KIND_CODES } from "../codes.ts";
import { jobIdBytes, writeJobId } from "../job-id.ts";
import { LISTED_JOB_COLUMNS, listedJobFromRow, type Row } from "./rows.ts";
import type { WriteSession } from "./write-session.ts";

export interface Waits {
  register(parks: readonly WaitsToStore[], now: number): RegisteredWaits;
  endDue(limit: number, now: number): EndedWaits;
  /** Ends waits for an event that has happened. */
  endForEvent(name: string, limit: number, now: number): EndedWaits;
  /** Ends the waits for jobs that have ended. */
  endForJobs(jobIds: readonly string[], now: number): readonly ParkedJob[];
  /** When the first of all waits is due. */
  nextDueAt(): number | null;
}

/** job_id, name, wakes. */
type WaitRow = readonly [Uint8Array, string, number, ...unknown[]];
/** The same, due_at, event_name. */
type TimedWaitRow = readonly [Uint8Array, string, number, number | null, string | null];

export function prepareWaits(session: WriteSession): Waits {
  const { db, functions, awaited } = session;
  // What is known keeps its time: a sleep ends when it was to end, however often it is told.
  const insert = db.prepare(
    `insert into checkpoints (job_id, name, kind, place, due_at, is_length, event_name, awaited_id)
     values (?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing`,
  );
  const sleepOthers = db.prepare(
    "update checkpoints set wakes = 0 where job_id = ? and recorded_at is null and wakes = 1",
  );
  const wake = db.prepare("update checkpoints set wakes = 1 where job_id = ? and name = ? and recorded_at is null");
  const pending = db.prepare(
    "select name, kind, due_at, event_name, awaited_id from checkpoints where job_id = ? and name = ? and recorded_at is null",
  );
  const isRecorded = db.prepare("select 1 from checkpoints where job_id = ? and name = ? and recorded_at is not null");
  const end = db.prepare(
    `update checkpoints set recorded_at = ?, value = ?, timed_out = ?,
       lease_token = (select lease_token from jobs where jobs.id = checkpoints.job_id)
     where job_id = ? and name = ?`,
  );
  const due = db.prepare(
    `select job_id, name, wakes, due_at, event_name from checkpoints
     where recorded_at is null and due_at is not null and due_at <= ? order by due_at limit (? + 0)`,
  );
  const forEvent = db.prepare(
    "select job_id, name, wakes, due_at, event_name from checkpoints where recorded_at is null and event_name = ? limit (? + 0)",
  );
  const forJob = db.prepare("select job_id, name, wakes from checkpoints where awaited_id = ? and recorded_at is null");
  // An event counts that happened before the wait was over, however late it is looked at.
  const payloadOf = db.prepare("select payload from events where name = ? and (? is null or ? > ? or emitted_at <= ?)");
  const isLive = db.prepare("select 1 from jobs where id = ? and state < 3");
  const parked = db.prepare(
    `select ${LISTED_JOB_COLUMNS}, exists (select 1 from workers where workers.worker_id = jobs.worker_id)
     from jobs where id = ? and state = 2`,
  );
  const next = db.prepare(
    "select due_at from checkpoints where recorded_at is null and due_at is not null order by due_at limit 1",
  );
  const id = new Uint8Array(16);

  function register(parks: readonly WaitsToStore[], now: number): RegisteredWaits {
    const over: ParkedJob[] = [];
    let nextDueAt: number | null = null;
    for (const park of parks) {
      if (!writeJobId(park.jobId, id)) continue;
      for (const [order, wait] of park.waits.entries()) insertWait(wait, park.place + order, now);
      sleepOthers.run(id);
      let isOver = false;
      for (const name of park.waitingNames) {
        wake.run(id, name);
        const dueAt = endIfOver(name, now);
        if (dueAt !== null) nextDueAt = Math.min(nextDueAt ?? Infinity, dueAt);
        isOver ||= isRecorded.values(id, name).length > 0;
      }
      if (isOver) over.push(...parkedJobs([id]));
    }
    return { over, nextDueAt };
  }

  function insertWait(wait: NewWait, place: number, now: number): void {
    const eventName = wait.kind === "event" ? wait.eventName : null;
    const awaitedId = wait.kind === "job" ? jobIdBytes(wait.awaitedJobId) : null;
    const kind = KIND_CODES[wait.kind];
    const isLength = "sleepUntil" in wait ? 0 : 1;
    const dueAt = dueAtOf(wait, now);
    const { changes } = insert.run(id, wait.name, kind, place, dueAt, isLength, eventName, awaitedId);
    if (changes === 1 && wait.kind === "job") awaited.add(wait.awaitedJobId.toLowerCase());
  }

  /** Ends the wait if what it waits for is there; else returns its time. */
  function endIfOver(name: string, now: number): number | null {
    const row = pending.values(id, name)[0] as Row | undefined;
    if (row === undefined) return null;
    const [, , dueAt, eventName, awaitedId] = row as [string, number, number | null, string | null, Uint8Array | null];
    const payload = eventName === null ? null : payloadFor(eventName, dueAt, now);
    const isDue = dueAt !== null && dueAt <= now;
    const hasEnded = awaitedId !== null && isLive.values(awaitedId).length === 0;
    if (payload === null && !isDue && !hasEnded) return dueAt;
    end.run(now, payload, eventName !== null && payload === null ? 1 : 0, id, name);
    return null;
  }

  function payloadFor(eventName: string, dueAt: number | null, now: number): Uint8Array | null {
    const row = payloadOf.values(eventName, dueAt, dueAt, now, dueAt)[0] as Row | undefined;
    return (row?.[0] as Uint8Array | undefined) ?? null;
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

  /** Waits for events, and sleeps. */
  function endAll(rows: readonly TimedWaitRow[], now: number): EndedWaits {
    for (const [jobId, name, , dueAt, eventName] of rows) {
      const payload = eventName === null ? null : payloadFor(eventName, dueAt, now);
      end.run(now, payload, eventName !== null && payload === null ? 1 : 0, jobId, name);
    }
    return { ended: rows.length, woken: wokenBy(rows) };
  }

  return {
    register,
    endDue: (limit, now) => endAll(due.values(now, limit) as unknown as TimedWaitRow[], now),
    endForEvent: (name, limit, now) => endAll(forEvent.values(name, limit) as unknown as TimedWaitRow[], now),
    endForJobs(jobIds, now) {
      const rows = jobIds.flatMap((jobId) => forJob.values(jobIdBytes(jobId)) as unknown as WaitRow[]);
      for (const [jobId, name] of rows) end.run(now, null, 0, jobId, name);
      return wokenBy(rows);
    },
    nextDueAt: () => ((next.values()[0] as Row | undefined)?.[0] as number | undefined) ?? null,
  };
}

function dueAtOf(wait: NewWait, now: number): number | null {
  switch (wait.kind) {
    case "sleep":
      return Math.ceil("sleepMs" in wait ? now + wait.sleepMs : wait.sleepUntil);
    case "event":
      return wait.timeoutMs === null ? null : Math.ceil(now + wait.timeoutMs);
    case "job":
      return null;
  }
}

function distinct(ids: readonly Uint8Array[]): Iterable<Uint8Array> {
  return new Map(ids.map((id) => [Buffer.from(id).toString("latin1"), id])).values();
}
