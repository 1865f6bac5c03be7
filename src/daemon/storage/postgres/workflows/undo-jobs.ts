import { UNDO_POLICY } from "../../../core/undo-job.ts";
import { isJobId } from "../../rows/job-id.ts";
import { BACKOFF_CODES, STATE_CODES, UNDO_MARK } from "../../rows/job-rows.ts";
import { UNDO } from "../../rows/record-order.ts";
import type { NewUndoJob, StoredJob } from "../../seam/workflows.ts";
import { uuidArray } from "../connection/literals.ts";
import { IS_UNDO, isUndo } from "../connection/rows.ts";
import { distinctIds } from "../session/job-reader.ts";
import type { WriteSession } from "../session/write-session.ts";

const { maxAttempts, backoff, initialDelayMs, maxDelayMs, jitter } = UNDO_POLICY;

/** The mark is the first header, before those of the job. */
const STORE = `insert into reseolio.jobs (state, list_state, id, function_id, is_ready, priority, run_at, max_attempts,
    backoff, initial_delay_ms, max_delay_ms, jitter, timeout_ms, created_at, parent_id, headers, args)
  select 0, 0, given.undo_id, job.function_id, true, job.priority, (select reseolio.now_ms()), ${maxAttempts},
    ${BACKOFF_CODES[backoff]}, ${initialDelayMs}, ${maxDelayMs}, ${jitter}, job.timeout_ms, (select reseolio.now_ms()), job.id,
    '${UNDO_MARK}"' || job.id || '"' || coalesce(',' || substr(job.headers, 2), '}'), job.args
  from unnest($1::uuid[], $2::uuid[]) as given (id, undo_id)
  join reseolio.jobs as job on job.id = given.id
  where job.state >= ${STATE_CODES.DEAD} and ${IS_UNDO} is not true
    and exists (
      select 1 from reseolio.checkpoints as step
      where step.job_id = given.id and (step.gate & ${UNDO}) <> 0 and step.recorded_at is not null and step.error is null
    )
  order by given.undo_id
  returning id, function_id, parent_id`;

const FORGET = `with forgotten as (delete from reseolio.wait_details where job_id = any ($1::uuid[]))
  delete from reseolio.checkpoints where job_id = any ($1::uuid[])`;

/** Implements `WorkflowWrites.storeUndoJobs` with one statement. */
export async function storeUndoJobs(
  session: WriteSession,
  items: readonly NewUndoJob[],
): Promise<readonly StoredJob[]> {
  const { runner, functions, idTimes } = session;
  const given = items.filter(({ jobId }) => isJobId(jobId));
  if (given.length === 0) return [];
  const rows = (await runner.rows(STORE, [
    uuidArray(given.map(({ jobId }) => jobId)),
    uuidArray(given.map(({ undoId }) => undoId)),
  ])) as unknown as readonly (readonly [string, number, string])[];
  if (rows.length === 0) return [];
  await functions.ensureNames(rows.map(([, functionId]) => functionId));
  const now = await session.now();
  const stored = rows.map(([jobId, functionId, parentId]) => {
    return { jobId, functionName: functions.nameOf(functionId), parentId };
  });
  for (const job of stored) {
    idTimes.observe(job.jobId, now);
    session.recordStored(job, true);
  }
  return stored;
}

/** Deletes everything that these jobs recorded. */
export async function forgetRecords({ runner }: WriteSession, jobIds: readonly string[]): Promise<void> {
  if (jobIds.length > 0) await runner.rows(FORGET, [uuidArray(distinctIds(jobIds))]);
}

/**
 * SQL condition: a DEAD or CANCELLED job has recorded steps that can be undone. Other jobs cost one index lookup.
 *
 * @param job a row of `jobs`, by its name in the statement
 */
export function hasUndoSteps(job: string): string {
  return `(${job}.state > ${STATE_CODES.SUCCESS} and exists (
    select 1 from reseolio.checkpoints as step where step.job_id = ${job}.id and (step.gate & ${UNDO}) <> 0
  ))`;
}

/** SQL condition on `job`: the job's steps are being undone. */
export const IS_BEING_UNDONE = `case when ${hasUndoSteps("job")} then exists (
    select 1 from reseolio.jobs as undo where undo.parent_id = job.id and undo.state < 3 and ${isUndo("undo.headers")}
  ) else false end`;

/**
 * SQL condition: it undid steps, or was to undo them, of a job that exists and has not been retried since.
 *
 * @param unless more about that job, which is called `undone`
 */
export function isNeededUndo(unless = ""): string {
  return `(${IS_UNDO} is true and exists (
    select 1 from reseolio.jobs as undone
    where undone.id = job.parent_id and undone.finished_at <= job.created_at ${unless}
  ))`;
}
