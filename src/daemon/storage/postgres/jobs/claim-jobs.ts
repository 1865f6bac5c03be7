import type { Job } from "../../../core/job.ts";
import type { ClaimDemand, ClaimedJobs, ResumeDemand } from "../../seam/jobs.ts";
import { numberArray, storedText } from "../connection/literals.ts";
import { JOB_COLUMNS, type Row } from "../connection/rows.ts";
import type { WriteSession } from "../session/write-session.ts";

/** A job that was parked continues its attempt. */
const leaseSql = (since: string): string => `update reseolio.jobs as job set
    state = 1, is_ready = null, deadline_at = finish_by, attempt = attempt + (ran_ms is null)::int, lease_token = lease_token + 1,
    worker_id = $1,
    -- Another daemon's transaction may have begun later and ended before: the attempt began after what that did.
    started_at = greatest(${since}, (select reseolio.now_ms()))
  where job.ctid = any (array(select ctid from ready))
  returning ${JOB_COLUMNS}`;
const LEASE = leaseSql("run_at");

const CLAIM_OF_ONE = `with ready as materialized (
    select ctid from reseolio.jobs
    where function_id = $2::int and is_ready and (deadline_at is null or deadline_at > (select reseolio.now_ms()))
    order by priority desc, run_at, id limit $3::int for update skip locked
  ) ${LEASE}`;

/**
 * Finds the first jobs of each function without a lock, then locks them in their common order until there are enough,
 * so that no job is locked without being claimed. Reads twice as many as needed, because other daemons may have locked
 * some. `coalesce` makes the planner fetch each job by its ctid instead of the index of ready jobs: where nearly all
 * jobs have ended, it assumes that this index is empty, and then reads all of it for each job.
 */
const CLAIM_OF_MANY = `with first as materialized (
    select queue.ctid, queue.priority, queue.run_at, queue.id
    from unnest($2::int[]) as served (function_id)
    cross join lateral (
      select ctid, priority, run_at, id from reseolio.jobs
      where function_id = served.function_id and is_ready and (deadline_at is null or deadline_at > (select reseolio.now_ms()))
      order by priority desc, run_at, id limit 2 * $3::int
    ) as queue
  ),
  ready as materialized (
    select job.ctid from first join reseolio.jobs as job on job.ctid = first.ctid
    where coalesce(job.is_ready, false) and (job.deadline_at is null or job.deadline_at > (select reseolio.now_ms()))
    order by first.priority desc, first.run_at, first.id limit $3::int for update of job skip locked
  ),
  leased as (${LEASE})
  select (select count(*)::int from first), leased.* from (select 1) as always left join leased on true`;

const RESUME = `with ready as materialized (
    select ctid from reseolio.jobs
    where worker_id = $1 and state = 0 and (deadline_at is null or deadline_at > (select reseolio.now_ms()))
    order by run_at limit $2::int for update skip locked
  ) ${leaseSql("started_at")}`;

/** Leases woken jobs, each to the worker that has its handler in memory. */
export async function resumeJobs(
  session: WriteSession,
  demands: readonly ResumeDemand[],
): Promise<readonly ClaimedJobs[]> {
  const answers = await Promise.all(
    demands.map(({ workerId, limit }) => session.runner.rows(RESUME, [storedText(workerId), limit])),
  );
  const resumed: ClaimedJobs[] = [];
  for (const [index, rows] of answers.entries()) {
    const jobs = (await session.reader.jobsOf(rows)).sort((left, right) => left.runAt - right.runAt);
    for (const job of jobs) session.recordLeased(job);
    resumed.push({ workerId: demands[index]!.workerId, jobs, maybeMore: [] });
  }
  return resumed;
}

/** Sends one statement per demand, all at once: each sees which jobs the previous ones claimed. */
export async function claimJobs(
  session: WriteSession,
  demands: readonly ClaimDemand[],
): Promise<readonly ClaimedJobs[]> {
  await session.functions.ensure(demands.flatMap((demand) => demand.functionNames));
  const answers = await Promise.all(demands.map((demand) => lease(session, demand)));
  const claimed: ClaimedJobs[] = [];
  for (const [index, { rows, looked }] of answers.entries()) {
    const demand = demands[index]!;
    const jobs = (await session.reader.jobsOf(rows)).sort(inClaimOrder);
    for (const job of jobs) session.recordLeased(job);
    // When slots are left, the only jobs that remain are those behind jobs that other daemons were taking.
    const isDone = jobs.length < demand.limit && jobs.length >= looked;
    claimed.push({ workerId: demand.workerId, jobs, maybeMore: isDone ? [] : demand.functionNames });
  }
  return claimed;
}

interface Leased {
  readonly rows: readonly Row[];
  /**
   * Number of ready jobs that were seen, even if others got them; 0 if this claim took every job that was not locked.
   */
  readonly looked: number;
}

async function lease({ runner, functions }: WriteSession, demand: ClaimDemand): Promise<Leased> {
  const ids = [...new Set(demand.functionNames.map((name) => functions.idOf(name)))];
  const workerId = storedText(demand.workerId);
  if (ids.length === 1) {
    return { rows: await runner.rows(CLAIM_OF_ONE, [workerId, ids[0]!, demand.limit]), looked: 0 };
  }
  const answer = await runner.rows(CLAIM_OF_MANY, [workerId, numberArray(ids), demand.limit]);
  // There is always one row; it has no job when none was leased.
  const rows = answer.filter((row) => row[1] !== null).map((row) => row.slice(1));
  return { rows, looked: answer[0]![0] as number };
}

function inClaimOrder(left: Job, right: Job): number {
  return right.priority - left.priority || left.runAt - right.runAt || (left.jobId < right.jobId ? -1 : 1);
}
