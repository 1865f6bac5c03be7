import { jobIdBytes } from "../../rows/job-id.ts";
import type { EndedWaits, ParkedJob } from "../../seam/workflows.ts";
import type { Row } from "../connection/rows.ts";
import type { WriteSession } from "../session/write-session.ts";
import { prepareEnds, prepareParked, timedColumns, type TimedWaitRow, type WaitRow } from "./end-waits.ts";
import { prepareRegister, type RegisterWaits } from "./register-waits.ts";
import { sinceSql } from "./wait-details.ts";

const DUE = `select ${timedColumns("?1")} from checkpoints
  where recorded_at is null and due_at is not null and due_at <= ?1 order by due_at limit (?2 + 0)`;

const FOR_EVENT = `select job_id, name, wakes, due_at, event_name, ${sinceSql("?2")} as since, 1 from checkpoints
  where recorded_at is null and event_name = ?1 and (since is null or since <= (
    select max(emitted_at, coalesce(latest_at, emitted_at)) from events where events.name = ?1
  )) limit (?3 + 0)`;

const FOR_JOB = "select job_id, name, wakes from checkpoints where awaited_id = ? and recorded_at is null";

const NEXT = "select due_at from checkpoints where recorded_at is null and due_at is not null order by due_at limit 1";

export interface Waits {
  readonly register: RegisterWaits;
  endDue(limit: number, now: number): EndedWaits;
  /** Ends waits for an event that has happened, except waits that begin with a job younger than the event. */
  endForEvent(name: string, limit: number, now: number): EndedWaits;
  /** Ends the waits for jobs that have ended. */
  endForJobs(jobIds: readonly string[], now: number): readonly ParkedJob[];
  /** Ends a job's waits for a signal with the signals that are stored. */
  takeSignals(jobId: Uint8Array, signalName: string, now: number): readonly ParkedJob[];
  /** When the first of all waits is due. */
  nextDueAt(): number | null;
}

export function prepareWaits(session: WriteSession): Waits {
  const { db } = session;
  const ends = prepareEnds(db);
  const parked = prepareParked(session);
  const due = db.prepare(DUE);
  const forEvent = db.prepare(FOR_EVENT);
  const forJob = db.prepare(FOR_JOB);
  const next = db.prepare(NEXT);

  function endAll(rows: readonly TimedWaitRow[], now: number): EndedWaits {
    for (const row of rows) {
      const [, , , dueAt, eventName, since] = row;
      ends.timed(row, ends.payloadFor(eventName, dueAt, since, now), now);
    }
    return { ended: rows.length, woken: parked.wokenBy(rows) };
  }

  return {
    register: prepareRegister(session, ends, parked),
    endDue: (limit, now) => endAll(due.values(now, limit) as unknown as TimedWaitRow[], now),
    endForEvent: (name, limit, now) => endAll(forEvent.values(name, now, limit) as unknown as TimedWaitRow[], now),
    endForJobs(jobIds, now) {
      const rows = jobIds.flatMap((jobId) => forJob.values(jobIdBytes(jobId)) as unknown as WaitRow[]);
      for (const [jobId, name] of rows) ends.end(jobId, name, null, false, now);
      return parked.wokenBy(rows);
    },
    takeSignals: (jobId, signalName, now) =>
      parked.wokenBy(ends.takeSignals(jobId, signalName, now).map(([name, wakes]): WaitRow => [jobId, name, wakes])),
    nextDueAt: () => ((next.values()[0] as Row | undefined)?.[0] as number | undefined) ?? null,
  };
}
