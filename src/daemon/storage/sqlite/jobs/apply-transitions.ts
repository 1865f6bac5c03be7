import type { Attempt } from "../../../core/job.ts";
import { isTerminal } from "../../../core/job.ts";
import type { JobChange, Transition } from "../../../core/job-machine.ts";
import { OUTCOME_CODES, STATE_CODES } from "../../rows/codes.ts";
import { writeJobId } from "../../rows/job-id.ts";
import { isPlainSuccess, mayHaveWaits } from "../../rows/plain-success.ts";
import { errorText } from "../../rows/rows.ts";
import type { FailedRecords } from "../workflows/failed-records.ts";
import type { WriteSession } from "../session/write-session.ts";

export type ApplyTransitions = (transitions: readonly Transition[]) => readonly boolean[];

export function prepareApplyTransitions(session: WriteSession, failedRecords: FailedRecords): ApplyTransitions {
  const { db, functions, counters, running, awaited } = session;
  // The one change that nearly every job goes through: it leaves most columns and indexes alone, and knows the row.
  const succeedAt = db.prepare(
    `update jobs set state = 3, list_state = 3, result = ?, started_at = ?, finished_at = ?
     where rowid = ? and id = ? and state = 1 and lease_token = ? and deadline_at is null`,
  );
  const move = db.prepare(
    `update jobs set
       state = ?1,
       list_state = iif(?1 < 2, 0, ?1),
       is_ready = ?2,
       run_at = coalesce(?3, run_at),
       result = ?4,
       error = case when ?5 then ?6 else error end,
       attempt = coalesce(?7, attempt),
       failures = coalesce(?8, failures),
       losses = coalesce(?9, losses),
       lease_token = lease_token + ?10,
       started_at = coalesce(?11, started_at),
       finished_at = ?12,
       worker_id = case when ?1 = 0 and not ?17 then null else worker_id end,
       start_by = case when ?13 then null else start_by end,
       finish_by = case when ?13 then null else finish_by end,
       deadline_at = case
         when ?1 >= 3 or ?13 then null
         when ?1 = 0 and coalesce(?7, attempt) = 0 and start_by is not null then min(start_by, coalesce(finish_by, start_by))
         else finish_by
       end,
       ran_ms = case when ?18 then ?19 else ran_ms end
     where id = ?14 and state = ?15 and lease_token = ?16`,
  );
  const record = db.prepare(
    `insert into attempts (job_id, attempt, outcome, worker_id, started_at, ended_at, error)
     values (?, ?, ?, ?, ?, ?, ?)
     on conflict do update set outcome = excluded.outcome, worker_id = excluded.worker_id,
       started_at = excluded.started_at, ended_at = excluded.ended_at, error = excluded.error`,
  );
  const dropWaits = db.prepare("delete from checkpoints where job_id = ? and recorded_at is null");
  const dropDetails = db.prepare("delete from wait_details where job_id = ?");
  const id = new Uint8Array(16);

  function apply(transition: Transition, now: number): boolean {
    const { jobId, functionName, expected, change, ended } = transition;
    if (!writeJobId(jobId, id)) return false;
    if (!succeed(transition, now) && !moveTo(change, expected, now)) return false;
    if (expected.state === "RUNNING") running.remove(jobId);
    counters.move(functions.idOf(functionName), STATE_CODES[expected.state], STATE_CODES[change.state]);
    if (ended !== null) recordAttempt(ended, now);
    failedRecords.mark(transition);
    if (isTerminal(change.state)) noteEnd(jobId, expected);
    return true;
  }

  function noteEnd(jobId: string, expected: Transition["expected"]): void {
    awaited.noteEnd(jobId);
    if (!mayHaveWaits(expected)) return;
    dropWaits.run(id);
    dropDetails.run(id);
  }

  /** False also when the change is another one, or the row is not known: then `moveTo` decides. */
  function succeed(transition: Transition, now: number): boolean {
    if (!isPlainSuccess(transition)) return false;
    const { jobId, expected, change } = transition;
    const rowid = running.find(jobId)?.rowid;
    if (rowid === undefined) return false;
    return succeedAt.run(change.result!, change.startedAt!, now, rowid, id, expected.leaseToken).changes === 1;
  }

  function moveTo(change: JobChange, expected: Transition["expected"], now: number): boolean {
    const isPending = change.state === "PENDING";
    const runAfterMs = Math.max(change.runAfterMs ?? 0, 0);
    const { changes } = move.run(
      STATE_CODES[change.state],
      isPending ? (runAfterMs === 0 ? 1 : 0) : null,
      isPending ? now + Math.ceil(runAfterMs) : null,
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
      id,
      STATE_CODES[expected.state],
      expected.leaseToken,
      change.keepWorker === true ? 1 : 0,
      change.ranMs === undefined ? 0 : 1,
      change.ranMs ?? null,
    );
    return changes === 1;
  }

  function recordAttempt(ended: Omit<Attempt, "endedAt">, now: number): void {
    const { attempt, outcome, workerId, startedAt, error } = ended;
    record.run(id, attempt, OUTCOME_CODES[outcome], workerId, startedAt, now, errorText(error));
  }

  return (transitions) => {
    const { now } = session;
    const applied = transitions.map((transition) => apply(transition, now));
    // When all are applied: a child that is retried with its parent is the parent's still.
    for (const [index, { jobId, change }] of transitions.entries()) {
      if (applied[index] === true && change.forgetFailures === true) failedRecords.forget(jobId, now);
    }
    return applied;
  };
}
