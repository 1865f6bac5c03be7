import { jobIdText, writeJobId } from "../../rows/job-id.ts";
import type { Row } from "../connection/rows.ts";
import type { WriteSession } from "../session/write-session.ts";
import { hasUndoSteps, IS_BEING_UNDONE, IS_NEEDED_UNDO } from "../workflows/undo-jobs.ts";

/** Only jobs of schedules belong to a tick, and those have headers. */
const DELETED = "function_id, state, lease_token, args is null, headers is not null";

const IS_FREE = `not ${IS_BEING_UNDONE} and not ${IS_NEEDED_UNDO}`;

const DELETE = `delete from jobs where id = ? and state >= 3 and ${IS_FREE} returning ${DELETED}`;

const PRUNE = `delete from jobs where id = ? and state = ? and finished_at < ?
    and not exists (select 1 from jobs as parent where parent.id = jobs.parent_id and (parent.state < 3 or ${hasUndoSteps("parent")}))
    and not exists (
      select 1 from checkpoints join jobs as waiting on waiting.id = checkpoints.job_id
      where checkpoints.awaited_id = jobs.id and (waiting.state < 3 or ${hasUndoSteps("waiting")})
    )
    and ${IS_FREE}
  returning ${DELETED}`;

const DELETE_ATTEMPTS = "delete from attempts where job_id = ?";
const DELETE_CHECKPOINTS = "delete from checkpoints where job_id = ?";
const DELETE_DETAILS = "delete from wait_details where job_id = ?";
const DELETE_SIGNALS = "delete from signals where job_id = ?";
const DELETE_LARGE_ARGS = "delete from large_args where job_id = ?";
const DELETE_TICK = "delete from job_ticks where job_id = ?";

export interface DeleteJobs {
  /**
   * Deletes a job of this terminal state, with everything that belongs to it, if it finished before the time and no
   * unfinished job, or job that may be replayed to be undone, can still ask for its result. A job is kept while it is
   * being undone, and its undo job is kept as long as the job.
   */
  deleteFinished(id: Uint8Array, state: number, finishedBefore: number): boolean;
  /** Deletes the jobs that are terminal and not retained for an undo, and returns their ids. */
  deleteMany(jobIds: readonly string[]): readonly string[];
}

export function prepareDeleteJobs(session: WriteSession): DeleteJobs {
  const { db } = session;
  const deleteTerminal = db.prepare(DELETE);
  const deleteOld = db.prepare(PRUNE);
  const deleteRest = prepareDeleteRest(session);
  const id = new Uint8Array(16);

  function deleteEach(jobIds: readonly string[]): readonly string[] {
    return jobIds.flatMap((jobId) => {
      const isDeleted = writeJobId(jobId, id) && deleteRest(id, deleteTerminal.values(id)[0] as Row | undefined);
      return isDeleted ? [jobIdText(id)] : [];
    });
  }

  return {
    deleteFinished: (job, state, finishedBefore) =>
      deleteRest(job, deleteOld.values(job, state, finishedBefore)[0] as Row | undefined),
    deleteMany(jobIds) {
      const deleted = deleteEach(jobIds);
      // An undo job can be deleted once the job whose steps it undid is gone.
      return deleted.length === 0 || deleted.length === jobIds.length ? deleted : [...deleted, ...deleteEach(jobIds)];
    },
  };
}

/** Deletes everything that belongs to a deleted job; the row has the columns of DELETED. */
function prepareDeleteRest({ db, counters }: WriteSession): (job: Uint8Array, row: Row | undefined) => boolean {
  const ofLeased = [DELETE_ATTEMPTS, DELETE_CHECKPOINTS, DELETE_DETAILS].map((sql) => db.prepare(sql));
  const deleteSignals = db.prepare(DELETE_SIGNALS);
  const deleteLargeArgs = db.prepare(DELETE_LARGE_ARGS);
  const deleteTick = db.prepare(DELETE_TICK);
  return (job, row) => {
    if (row === undefined) return false;
    const [functionId, state, leaseToken, isLarge, hasHeaders] = row as [number, number, number, number, number];
    counters.add(functionId, state, -1);
    // Not the attempt's number: a job that never began gets it back.
    if (leaseToken > 0) for (const statement of ofLeased) statement.run(job);
    deleteSignals.run(job);
    if (isLarge === 1) deleteLargeArgs.run(job);
    if (hasHeaders === 1) deleteTick.run(job);
    return true;
  };
}
