import type { JobState } from "../../../core/job.ts";
import { FIRST_ID, jobIdText, lowestJobIdAt } from "../../rows/job-id.ts";
import { STATE_CODES } from "../../rows/job-rows.ts";
import type { JobPrune, PrunedJobs } from "../../seam/jobs.ts";
import { functionsInState } from "../session/functions.ts";
import { readIdTimeSkew, type WriteSession } from "../session/write-session.ts";
import { hasUndoSteps, IS_BEING_UNDONE, isNeededUndo } from "../workflows/undo-jobs.ts";

/**
 * Examines a number of rows of one function and state, starting at an id; skips rows that another daemon is pruning.
 */
const PRUNE = `with looked as materialized (
    select id, finished_at from reseolio.jobs
    where function_id = $1::int and list_state = $2::smallint and id > $3::uuid and id <= $4::uuid
    order by id limit $5::int
  ),
  doomed as materialized (
    select job.id from looked join reseolio.jobs as job on job.id = looked.id
    where looked.finished_at < $6::bigint and job.state = $2::smallint
      and not exists (
        select 1 from reseolio.jobs as parent
        where parent.id = job.parent_id and (parent.state < 3 or ${hasUndoSteps("parent")})
      )
      and not exists (
        select 1 from reseolio.checkpoints as wait join reseolio.jobs as waiting on waiting.id = wait.job_id
        where wait.awaited_id = job.id and (waiting.state < 3 or ${hasUndoSteps("waiting")})
      )
      and not ${IS_BEING_UNDONE} and not ${isNeededUndo()}
    order by job.id for update of job skip locked
  ),
  gone as (delete from reseolio.jobs as job using doomed where job.id = doomed.id returning 1),
  ticks as (delete from reseolio.job_ticks as tick using doomed where tick.job_id = doomed.id),
  records as (delete from reseolio.attempts using doomed where attempts.job_id = doomed.id),
  recorded as (delete from reseolio.checkpoints using doomed where checkpoints.job_id = doomed.id),
  awaited as (delete from reseolio.wait_details using doomed where wait_details.job_id = doomed.id),
  sent as (delete from reseolio.signals using doomed where signals.job_id = doomed.id)
  select (select count(*)::int from looked), (select id from looked order by id desc limit 1),
    (select count(*)::int from gone)`;

/** The cost of a statement, in examined rows: with many functions, one slice covers only some of them. */
const STATEMENT_LOOKS = 10;

/** The progress of each round: by state, the last examined id of each unfinished function. */
export type PruneRounds = Map<JobState, Map<number, string>>;

/**
 * Walks each function's jobs of a state from the oldest id, since there is no index on finishedAt that every finished
 * job would pay for. Jobs that were old when they finished are passed over; the position stays in memory until
 * the round is done. A crash or rollback only means that a round begins again or leaves rows for the next one.
 */
export async function pruneJobs(session: WriteSession, rounds: PruneRounds, prune: JobPrune): Promise<PrunedJobs> {
  const { state, finishedBefore, limit } = prune;
  const code = STATE_CODES[state];
  // A job that finished before this time was stored before it.
  const end = lastIdBefore(finishedBefore + (await readIdTimeSkew(session.runner)) + 1);
  const round = rounds.get(state) ?? (await beginRound(session, code));
  rounds.set(state, round);
  let left = limit;
  let deleted = 0;
  for (const [functionId, lastId] of round) {
    const params = [functionId, code, lastId, end, left, finishedBefore];
    const [looked, last, gone] = (await session.runner.rows(PRUNE, params))[0] as [number, string | null, number];
    session.counters.add(functionId, code, -gone);
    deleted += gone;
    const isFull = looked === left;
    left -= Math.max(looked, STATEMENT_LOOKS);
    if (isFull && last !== null) round.set(functionId, last);
    else round.delete(functionId);
    if (left <= 0 && round.size > 0) return { deleted, done: false };
  }
  rounds.delete(state);
  return { deleted, done: true };
}

async function beginRound(session: WriteSession, state: number): Promise<Map<number, string>> {
  const ids = await functionsInState(session.runner, state);
  return new Map(ids.map((id) => [id, jobIdText(FIRST_ID)]));
}

/** The highest id with an earlier time. */
function lastIdBefore(time: number): string {
  const bound = lowestJobIdAt(time);
  return bound.length === 16 ? jobIdText(bound) : "ffffffff-ffff-ffff-ffff-ffffffffffff";
}
