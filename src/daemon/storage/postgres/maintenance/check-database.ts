import { newestVersion } from "../../migrate.ts";
import { OTHER_KIND, OTHER_KINDS } from "../../rows/record-order.ts";
import { POSTGRES_MIGRATIONS } from "../migrations/migrations.ts";
import { refuseUnfinishedCopy } from "../opening/open-database.ts";
import { type ExistingDatabase, noSchema, onExisting } from "../opening/open-existing.ts";

export interface PostgresCheckReport {
  /** Host, port and database. */
  readonly path: string;
  readonly schemaVersion: number;
  /** Number of jobs examined. */
  readonly jobs: number;
  /** One sentence each; empty when the database is sound. At most 100 of a kind. */
  readonly problems: readonly string[];
}

const MOST_PROBLEMS = 100;

/** Rows that contradict each other, each as one column of text; those of SQLite, but for large args. */
const CONTRADICTIONS: readonly string[] = [
  `select 'the counter of function ' || coalesce(name, function_id::text) || ' in state ' || state || ' is ' ||
     counted || ', but the table has ' || found
   from (
     select function_id, state, sum(counted) as counted, sum(found) as found from (
       select function_id, state, count as counted, 0 as found from job_counts
       union all
       select function_id, state, delta, 0 from job_count_deltas
       union all
       select function_id, state, 0, count(*) from jobs group by function_id, state
     ) as each_one group by function_id, state
   ) as both_of_them left join functions on functions.id = function_id
   where counted <> found`,
  `select 'job ' || id || ' has the unknown function ID ' || function_id from jobs
   where not exists (select 1 from functions where functions.id = function_id)`,
  `select 'attempt ' || attempt || ' without a job: ' || job_id from attempts
   where not exists (select 1 from jobs where jobs.id = job_id)`,
  `select 'tick of ' || coalesce(tick_at::text, 'a trigger') || ' without a job: ' || job_id from job_ticks
   where not exists (select 1 from jobs where jobs.id = job_id)`,
  `select 'tick of job ' || job_id || ' without a schedule: ' || schedule_id from job_ticks
   where not exists (select 1 from schedules where schedules.id = schedule_id)`,
  `select 'job ' || id || ' is parked, but nothing wakes it' from jobs
   where state = 2 and not exists (
     select 1 from checkpoints where job_id = jobs.id and recorded_at is null and wakes
   )`,
  `select 'job ' || id || ' has ended, but still waits for ' || name from checkpoints
   join jobs on jobs.id = checkpoints.job_id where recorded_at is null and state >= 3`,
  `select 'checkpoint ' || name || ' without a job: ' || job_id from checkpoints
   where not exists (select 1 from jobs where jobs.id = job_id)`,
  `select 'signal ' || name || ' without a job: ' || job_id from signals
   where not exists (select 1 from jobs where jobs.id = job_id)`,
  `select 'details of the wait ' || name || ' without a job: ' || job_id from wait_details
   where not exists (select 1 from jobs where jobs.id = job_id)`,
  `select 'job ' || wait.job_id || ' waits for the signal ' || signal_name || ', which has already arrived'
   from wait_details join checkpoints as wait on wait.job_id = wait_details.job_id and wait.name = wait_details.name
   join signals on signals.job_id = wait.job_id and signals.name = signal_name and taken_by is null
   where recorded_at is null and (due_at is null or sent_at <= due_at)`,
  `select 'checkpoint ' || name || ' has an operation, but no order: ' || job_id from checkpoints
   where gate is null and op is not null`,
  `select 'checkpoint ' || name || ' is of an unknown kind: ' || job_id from checkpoints
   where (gate & ${OTHER_KIND}) <> 0 and kind not in (${OTHER_KINDS})`,
  `select 'job ' || id || ' has the unknown state ' || state from jobs where state not between 0 and 5`,
  `select 'job ' || id || ' is in state ' || state || ' with is_ready ' || coalesce(is_ready::text, 'null') from jobs
   where (is_ready is null) <> (state <> 0)`,
  `select 'job ' || id || ' is in state ' || state || ', but listed as ' || list_state from jobs
   where list_state <> case when state < 2 then 0 else state end`,
  "select 'job ' || id || ' is running, but has no worker' from jobs where state = 1 and worker_id is null",
  `select 'job ' || id || ' is terminal, but has no finish time' from jobs
   where state >= 3 and finished_at is null`,
  `select 'job ' || id || ' is terminal, but still has a deadline' from jobs
   where state >= 3 and deadline_at is not null`,
];

/**
 * Legal states, counters, and rows that belong together, on one snapshot, even while daemons are running. Reads every
 * job.
 */
export function checkPostgresDatabase(url: string): Promise<PostgresCheckReport> {
  return onExisting(url, check);
}

async function check({ client, address, schemaVersion }: ExistingDatabase): Promise<PostgresCheckReport> {
  const { name, schema } = address;
  if (schemaVersion === 0) throw noSchema(address);
  if (schemaVersion < newestVersion(POSTGRES_MIGRATIONS)) return { path: name, schemaVersion, jobs: 0, problems: [] };
  await refuseUnfinishedCopy(client, address);
  await client.unsafe(`begin isolation level repeatable read read only; set local search_path to ${schema};
    set local enable_seqscan = on; set local enable_hashjoin = on`);
  const problems: string[] = [];
  for (const sql of CONTRADICTIONS) {
    const rows = await client.unsafe(`${sql} limit ${MOST_PROBLEMS}`).values();
    for (const [text] of rows) problems.push(String(text));
  }
  const [count] = await client.unsafe("select count(*)::int as jobs from jobs");
  await client.unsafe("commit");
  return { path: name, schemaVersion, jobs: count!["jobs"] as number, problems };
}
