import type { Database } from "bun:sqlite";
import { NOT_ALONE, OF_WAIT } from "../../rows/record-order.ts";
import type { ParkedJob } from "../../seam/workflows.ts";
import { LISTED_JOB_COLUMNS, type Row } from "../connection/rows.ts";
import { listedJobFromRow } from "../session/job-reader.ts";
import type { WriteSession } from "../session/write-session.ts";
import { prepareTakeSignals, type TakeSignals } from "./take-signals.ts";
import { prepareWaitDetails, sinceSql } from "./wait-details.ts";

/** If a job has continued since it parked for a wait, the wait gets its place later. */
const TOKEN = "(select lease_token from jobs where jobs.id = checkpoints.job_id)";

const END = `update checkpoints set recorded_at = ?, value = ?, timed_out = ?, lease_token = ${TOKEN},
    place = iif(gate is null or lease_token is ${TOKEN}, place, 0),
    gate = iif(gate is null or lease_token is ${TOKEN}, gate, (gate & ${OF_WAIT}) | ${NOT_ALONE}),
    error = iif(gate is null or awaited_id is null, null,
      (select error from jobs where jobs.id = checkpoints.awaited_id and state > 3))
  where job_id = ? and name = ?`;

/** An event counts when it happened before the wait was over, however late the store looks. */
const PAYLOAD = `select case
    when (?4 is null or emitted_at >= ?4) and (?2 is null or ?2 > ?3 or emitted_at <= ?2) then payload
    when latest_at >= ?4 and (?2 is null or ?2 > ?3 or latest_at <= ?2) then latest_payload
  end from events where name = ?1`;

const PARKED_OF = `select ${LISTED_JOB_COLUMNS}, exists (select 1 from workers where workers.worker_id = jobs.worker_id)
  from jobs where id = ? and state = 2`;

/** The columns of a TimedWaitRow, `now` being the parameter of the time. */
export const timedColumns = (now: string): string =>
  `job_id, name, wakes, due_at, event_name, ${sinceSql(now)} as since, kind not in (1, 5)`;

/** job_id, name, wakes. */
export type WaitRow = readonly [Uint8Array, string, number, ...unknown[]];
/** A WaitRow, due_at, event_name, since when an event counts, whether its end without a payload is a timeout. */
export type TimedWaitRow = readonly [Uint8Array, string, number, number | null, string | null, number | null, number];
export interface Ends {
  end(jobId: Uint8Array, name: string, payload: Uint8Array | null, timedOut: boolean, now: number): void;
  /** Ends a wait with this payload, or by its time. */
  timed(row: readonly [...TimedWaitRow, ...unknown[]], payload: Uint8Array | null, now: number): void;
  /** The payload of the emission that counts for a wait; null when none does. */
  payloadFor(eventName: string | null, dueAt: number | null, since: number | null, now: number): Uint8Array | null;
  readonly takeSignals: TakeSignals;
}

export function prepareEnds(db: Database): Ends {
  const update = db.prepare(END);
  const payloadOf = db.prepare(PAYLOAD);
  const details = prepareWaitDetails(db);

  const end: Ends["end"] = (jobId, name, payload, timedOut, now) => {
    update.run(now, payload, timedOut ? 1 : 0, jobId, name);
  };

  return {
    end,
    timed(row, payload, now) {
      const [jobId, name, , , eventName, since, mayTimeOut] = row;
      end(jobId, name, payload, mayTimeOut === 1 && payload === null, now);
      if (since !== null || (mayTimeOut === 1 && eventName === null)) details.forget(jobId, name);
    },
    payloadFor(eventName, dueAt, since, now) {
      if (eventName === null) return null;
      const row = payloadOf.values(eventName, dueAt, now, since)[0] as Row | undefined;
      return (row?.[0] as Uint8Array | null | undefined) ?? null;
    },
    takeSignals: prepareTakeSignals(db, (jobId, name, payload, now) => {
      end(jobId, name, payload, false, now);
      details.forget(jobId, name);
    }),
  };
}

export interface Parked {
  of(ids: Iterable<Uint8Array>): readonly ParkedJob[];
  /** The parked jobs that the end of these waits wakes. */
  wokenBy(rows: readonly WaitRow[]): readonly ParkedJob[];
}

export function prepareParked({ db, functions }: WriteSession): Parked {
  const parked = db.prepare(PARKED_OF);

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

  return {
    of: parkedJobs,
    wokenBy: (rows) => parkedJobs(distinct(rows.filter((row) => row[2] === 1).map((row) => row[0]))),
  };
}

function distinct(ids: readonly Uint8Array[]): Iterable<Uint8Array> {
  return new Map(ids.map((id) => [Buffer.from(id).toString("latin1"), id])).values();
}
