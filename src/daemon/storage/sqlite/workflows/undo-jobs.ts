import { UNDO_POLICY } from "../../../core/undo-job.ts";
import { jobIdText, writeJobId } from "../../rows/job-id.ts";
import { BACKOFF_CODES, STATE_CODES, UNDO_MARK } from "../../rows/job-rows.ts";
import { UNDO } from "../../rows/record-order.ts";
import type { NewUndoJob, StoredJob } from "../../seam/workflows.ts";
import { IS_UNDO, isUndo, type Row } from "../connection/rows.ts";
import type { WriteSession } from "../session/write-session.ts";

const { maxAttempts, backoff, initialDelayMs, maxDelayMs, jitter } = UNDO_POLICY;

/** The mark is the first header, before those of the job. */
const STORE = `insert into jobs (state, list_state, id, function_id, is_ready, priority, run_at, max_attempts, backoff,
    initial_delay_ms, max_delay_ms, jitter, timeout_ms, created_at, parent_id, headers, args)
  select 0, 0, $undoId, function_id, 1, priority, $now, ${maxAttempts}, ${BACKOFF_CODES[backoff]},
    ${initialDelayMs}, ${maxDelayMs}, ${jitter}, timeout_ms, $now, id,
    '${UNDO_MARK}"' || $parentId || '"' || coalesce(',' || substr(headers, 2), '}'), args
  from jobs
  where id = $jobId and state >= ${STATE_CODES.DEAD} and ${IS_UNDO} is not 1
    and exists (
      select 1 from checkpoints as step indexed by undo_steps
      where step.job_id = jobs.id and (step.gate & ${UNDO}) <> 0 and step.recorded_at is not null and step.error is null
    )
  returning function_id, args is null`;

const COPY_LARGE_ARGS = "insert into large_args (job_id, args) select ?, args from large_args where job_id = ?";

const FORGET = ["delete from checkpoints where job_id = ?", "delete from wait_details where job_id = ?"] as const;

export interface UndoJobs {
  store(items: readonly NewUndoJob[]): readonly StoredJob[];
  forgetRecords(jobIds: readonly string[]): void;
}

export function prepareUndoJobs(session: WriteSession): UndoJobs {
  const { db, functions, counters, idTimes } = session;
  const insert = db.prepare(STORE);
  const copyLargeArgs = db.prepare(COPY_LARGE_ARGS);
  const forget = FORGET.map((sql) => db.prepare(sql));
  const id = new Uint8Array(16);
  const undoneId = new Uint8Array(16);

  function storeOne({ jobId, undoId }: NewUndoJob, now: number): StoredJob | null {
    if (!writeJobId(jobId, undoneId) || !writeJobId(undoId, id)) return null;
    const parentId = jobIdText(undoneId);
    const row = insert.values({ $undoId: id, $now: now, $jobId: undoneId, $parentId: parentId })[0] as Row | undefined;
    if (row === undefined) return null;
    const [functionId, isLarge] = row as [number, number];
    if (isLarge === 1) copyLargeArgs.run(id, undoneId);
    counters.add(functionId, STATE_CODES.PENDING, 1);
    idTimes.observe(id, now);
    return { jobId: jobIdText(id), functionName: functions.nameOf(functionId), parentId };
  }

  return {
    store: (items) => items.map((item) => storeOne(item, session.now)).filter((one) => one !== null),
    forgetRecords(jobIds) {
      for (const jobId of jobIds) if (writeJobId(jobId, id)) for (const statement of forget) statement.run(id);
    },
  };
}

/**
 * SQL condition: a DEAD or CANCELLED job has recorded steps that can be undone. Other jobs cost one index lookup.
 *
 * @param job a row of `jobs`, by its name in the statement
 */
export function hasUndoSteps(job: string): string {
  return `(${job}.state > ${STATE_CODES.SUCCESS} and exists (
    select 1 from checkpoints as step indexed by undo_steps where step.job_id = ${job}.id and (step.gate & ${UNDO}) <> 0
  ))`;
}

/** SQL condition on `jobs`: the job's steps are being undone. */
export const IS_BEING_UNDONE = `case when ${hasUndoSteps("jobs")} then exists (
    select 1 from jobs as undo where undo.parent_id = jobs.id and undo.state < 3 and ${isUndo("undo.headers")}
  ) else 0 end`;

/** SQL condition: it undid steps, or was to undo them, of a job that exists and has not been retried since. */
export const IS_NEEDED_UNDO = `(${IS_UNDO} is 1 and exists (
    select 1 from jobs as undone where undone.id = jobs.parent_id and undone.finished_at <= jobs.created_at
  ))`;
