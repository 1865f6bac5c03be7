import { uuidArray } from "../connection/literals.ts";
import { distinctIds } from "../session/job-reader.ts";
import type { WriteSession } from "../session/write-session.ts";
import { IS_BEING_UNDONE, isNeededUndo } from "../workflows/undo-jobs.ts";

/** Deletes jobs with all that belongs to them; rows are locked in the order of their ids. */
const DELETE = `with doomed as materialized (
    select job.id from reseolio.jobs as job
    where job.id = any ($1::uuid[]) and job.state >= 3 and not ${IS_BEING_UNDONE}
      and not ${isNeededUndo("and undone.id <> all ($1::uuid[])")}
    order by job.id for update
  ),
  gone as (
    delete from reseolio.jobs as job using doomed where job.id = doomed.id
    returning job.id, job.function_id, job.state
  ),
  ticks as (delete from reseolio.job_ticks as tick using doomed where tick.job_id = doomed.id),
  records as (delete from reseolio.attempts using doomed where attempts.job_id = doomed.id),
  recorded as (delete from reseolio.checkpoints using doomed where checkpoints.job_id = doomed.id),
  awaited as (delete from reseolio.wait_details using doomed where wait_details.job_id = doomed.id),
  sent as (delete from reseolio.signals using doomed where signals.job_id = doomed.id)
  select id, function_id, state from gone`;

/** Deletes the jobs that are terminal and not retained for an undo; returns their ids in the given order. */
export async function deleteJobs(session: WriteSession, jobIds: readonly string[]): Promise<readonly string[]> {
  const ids = distinctIds(jobIds);
  if (ids.length === 0) return [];
  const rows = await session.runner.rows(DELETE, [uuidArray(ids)]);
  const gone = new Set<string>();
  for (const [id, functionId, state] of rows as readonly [string, number, number][]) {
    session.counters.add(functionId, state, -1);
    gone.add(id);
  }
  return ids.filter((id) => gone.has(id));
}
