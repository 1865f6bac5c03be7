import type { Database } from "bun:sqlite";
import type { NewWait } from "../../../core/checkpoint.ts";

export interface WaitDetails {
  /** Called before the wait is registered. Most waits have no details; a known wait keeps what it waits for. */
  insert(jobId: Uint8Array, wait: NewWait): void;
  /** Deletes the details of a wait that is over. */
  forget(jobId: Uint8Array, name: string): void;
}

/**
 * SQL expression on a row of checkpoints: since when an event counts for the wait; null for any time. A job that exists
 * has begun by now, whatever the clock said then.
 */
export function sinceSql(now: string): string {
  return `(select min(jobs.created_at, ${now}) from wait_details join jobs on jobs.id = wait_details.job_id
    where wait_details.job_id = checkpoints.job_id and wait_details.name = checkpoints.name and since_start = 1)`;
}

const IS_NEW = "not exists (select 1 from checkpoints where job_id = ?1 and name = ?2)";

const REPLACE = `on conflict do update
  set signal_name = excluded.signal_name, turn = excluded.turn, since_start = excluded.since_start`;

const INSERT_OF_EVENT = `insert into wait_details (job_id, name, since_start) select ?1, ?2, 1 where ${IS_NEW} ${REPLACE}`;

const INSERT_OF_SIGNAL = `insert into wait_details (job_id, name, signal_name, turn) select ?1, ?2, ?3, 1 + coalesce((
    select turn from wait_details where job_id = ?1 and signal_name = ?3 order by turn desc limit 1
  ), 0) where ${IS_NEW} ${REPLACE}`;

const FORGET = "delete from wait_details where job_id = ? and name = ?";

export function prepareWaitDetails(db: Database): WaitDetails {
  const ofEvent = db.prepare(INSERT_OF_EVENT);
  const ofSignal = db.prepare(INSERT_OF_SIGNAL);
  const forget = db.prepare(FORGET);
  return {
    insert(jobId, wait) {
      if (wait.kind === "signal") ofSignal.run(jobId, wait.name, wait.signalName);
      if (wait.kind === "event" && wait.sinceStart === true) ofEvent.run(jobId, wait.name);
    },
    forget: (jobId, name) => void forget.run(jobId, name),
  };
}
