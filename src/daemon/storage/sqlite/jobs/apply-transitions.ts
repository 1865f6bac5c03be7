import type { Database } from "bun:sqlite";
import type { JobChange, Transition } from "../../../core/job-machine.ts";
import type { Attempt } from "../../../core/job.ts";
import { isTerminal } from "../../../core/job.ts";
import { writeJobId } from "../../rows/job-id.ts";
import { errorText, isPlainSuccess, mayHaveWaits, OUTCOME_CODES, STATE_CODES } from "../../rows/job-rows.ts";
import type { WriteSession } from "../session/write-session.ts";
import type { FailedRecords } from "../workflows/failed-records.ts";

/** The one change that nearly every job goes through: it leaves most columns and indexes alone, and knows the row. */
const SUCCEED = `update jobs set state = 3, list_state = 3, result = ?, started_at = ?, finished_at = ?
  where rowid = ? and id = ? and state = 1 and lease_token = ? and deadline_at is null`;

/** Numbered parameters: named ones cost 3 to 6 % of a statement. */
const MOVE = `update jobs set
    state = ?4,
    list_state = iif(?4 < 2, 0, ?4),
    is_ready = ?5,
    run_at = coalesce(?6, run_at),
    result = ?7,
    error = case when ?8 then ?9 else error end,
    attempt = coalesce(?10, attempt),
    failures = coalesce(?11, failures),
    losses = coalesce(?12, losses),
    lease_token = lease_token + ?13,
    started_at = coalesce(?14, started_at),
    finished_at = ?15,
    worker_id = case when ?4 = 0 and not ?17 then null else worker_id end,
    ran_ms = case when ?18 then ?19 else ran_ms end,
    start_by = case when ?16 then null else start_by end,
    finish_by = case when ?16 then null else finish_by end,
    deadline_at = case
      when ?4 >= 3 or ?16 then null
      when ?4 = 0 and coalesce(?10, attempt) = 0 and start_by is not null then min(start_by, coalesce(finish_by, start_by))
      else finish_by
    end
  where id = ?1 and state = ?2 and lease_token = ?3`;

const RECORD = `insert into attempts (job_id, attempt, outcome, worker_id, started_at, ended_at, error)
  values (?, ?, ?, ?, ?, ?, ?)
  on conflict do update set outcome = excluded.outcome, worker_id = excluded.worker_id,
    started_at = excluded.started_at, ended_at = excluded.ended_at, error = excluded.error`;

const DROP_WAITS = "delete from checkpoints where job_id = ? and recorded_at is null";

const DROP_DETAILS = "delete from wait_details where job_id = ?";

export type ApplyTransitions = (transitions: readonly Transition[]) => readonly boolean[];

export function prepareApplyTransitions(session: WriteSession, failedRecords: FailedRecords): ApplyTransitions {
  const { db, functions, counters, running } = session;
  const succeed = prepareSucceed(session);
  const move = prepareMove(db);
  const end = prepareEnd(session);
  const recordAttempt = prepareRecordAttempt(db);
  const id = new Uint8Array(16);

  function apply(transition: Transition, now: number): boolean {
    const { jobId, functionName, expected, change, ended } = transition;
    if (!writeJobId(jobId, id)) return false;
    if (!succeed(id, transition, now) && !move(id, transition, now)) return false;
    if (expected.state === "RUNNING") running.remove(jobId);
    counters.move(functions.idOf(functionName), STATE_CODES[expected.state], STATE_CODES[change.state]);
    if (ended !== null) recordAttempt(id, ended, now);
    if (change.marks !== undefined) failedRecords.mark(transition);
    if (isTerminal(change.state)) end(id, transition);
    return true;
  }

  return (transitions) => {
    const { now } = session;
    const applied = transitions.map((transition) => apply(transition, now));
    // After all transitions: a child that is retried with its parent still belongs to it.
    for (const [index, { jobId, change }] of transitions.entries()) {
      if (applied[index] === true && change.forgetFailures === true) failedRecords.forget(jobId, now);
    }
    return applied;
  };
}

/** False when the guard does not hold. */
type Move = (id: Uint8Array, transition: Transition, now: number) => boolean;

/** @returns a function that is false also when the change is another one, or the row is not known: then `move` decides */
function prepareSucceed({ db, running }: WriteSession): Move {
  const update = db.prepare(SUCCEED);
  return (id, transition, now) => {
    if (!isPlainSuccess(transition)) return false;
    const { jobId, expected, change } = transition;
    const rowid = running.find(jobId)?.rowid;
    if (rowid === undefined) return false;
    return update.run(change.result!, change.startedAt!, now, rowid, id, expected.leaseToken).changes === 1;
  };
}

function prepareMove(db: Database): Move {
  const update = db.prepare(MOVE);
  return (id, { expected, change }, now) => {
    const { changes } = update.run(
      id,
      STATE_CODES[expected.state],
      expected.leaseToken,
      STATE_CODES[change.state],
      ...readiness(change, now),
      change.result ?? null,
      change.error === undefined ? 0 : 1,
      errorText(change.error ?? null),
      change.attempt ?? null,
      change.failures ?? null,
      change.losses ?? null,
      change.revokeLease === true ? 1 : 0,
      change.startedAt ?? null,
      isTerminal(change.state) ? now : null,
      change.clearDeadlines === true ? 1 : 0,
      change.keepWorker === true ? 1 : 0,
      change.ranMs === undefined ? 0 : 1,
      change.ranMs ?? null,
    );
    return changes === 1;
  };
}

function readiness(
  { state, runAfterMs }: JobChange,
  now: number,
): readonly [isReady: number | null, runAt: number | null] {
  if (state !== "PENDING") return [null, null];
  const waitMs = Math.max(runAfterMs ?? 0, 0);
  return [waitMs === 0 ? 1 : 0, now + Math.ceil(waitMs)];
}

/** What follows the end of a job: those that await it learn of it, and it waits for nothing any more. */
function prepareEnd({ db, awaited }: WriteSession): (id: Uint8Array, transition: Transition) => void {
  const dropWaits = db.prepare(DROP_WAITS);
  const dropDetails = db.prepare(DROP_DETAILS);
  return (id, { jobId, expected }) => {
    awaited.addEnd(jobId);
    if (!mayHaveWaits(expected)) return;
    dropWaits.run(id);
    dropDetails.run(id);
  };
}

function prepareRecordAttempt(db: Database) {
  const insert = db.prepare(RECORD);
  return (id: Uint8Array, ended: Omit<Attempt, "endedAt">, now: number): void => {
    const { attempt, outcome, workerId, startedAt, error } = ended;
    insert.run(id, attempt, OUTCOME_CODES[outcome], workerId, startedAt, now, errorText(error));
  };
}
