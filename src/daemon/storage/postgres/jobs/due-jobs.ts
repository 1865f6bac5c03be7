import type { DuePromotion, OverdueJob } from "../../seam/jobs.ts";
import { SNAPSHOT_COLUMNS } from "../connection/rows.ts";
import type { Runner } from "../connection/runner.ts";
import type { WriteSession } from "../session/write-session.ts";

/** Skips jobs that another daemon is moving. */
const PROMOTE = `update reseolio.jobs set is_ready = true
  where ctid = any (array(
    select ctid from reseolio.jobs where not is_ready and run_at <= (select reseolio.now_ms())
    order by run_at limit $1::int for update skip locked
  ))
  returning function_id`;

const OVERDUE = `select ${SNAPSHOT_COLUMNS} from reseolio.jobs as job
  where job.deadline_at is not null and job.deadline_at <= (select reseolio.now_ms())
  order by job.deadline_at limit $1::int for no key update of job skip locked`;

const NEXT = `select least(
    (select run_at from reseolio.jobs where not is_ready order by run_at limit 1),
    (select deadline_at from reseolio.jobs where deadline_at is not null order by deadline_at limit 1),
    (select due_at from reseolio.checkpoints where recorded_at is null and due_at is not null order by due_at limit 1),
    (select 0 from reseolio.events where is_spreading limit 1)
  )`;

export async function promoteDueJobs(session: WriteSession, limit: number): Promise<DuePromotion> {
  const rows = await session.runner.rows(PROMOTE, [limit]);
  const ids = new Set(rows.map((row) => row[0] as number));
  await session.functions.ensureNames(ids);
  const functionNames = [...ids].map(session.functions.nameOf);
  for (const name of functionNames) session.hints.readyFunctions.add(name);
  return { functionNames, promoted: rows.length };
}

export async function listOverdueJobs(session: WriteSession, limit: number): Promise<readonly OverdueJob[]> {
  const jobs = await session.reader.jobsOf(await session.runner.rows(OVERDUE, [limit]));
  const now = await session.now();
  return jobs.map((job) => {
    const isLateToFinish = job.finishBy !== null && job.finishBy <= now;
    return { job, reason: isLateToFinish ? "finish_deadline" : "start_deadline" };
  });
}

export async function nextDueAt(runner: Runner): Promise<number | null> {
  return (await runner.rows(NEXT))[0]![0] as number | null;
}
