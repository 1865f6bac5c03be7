import type { Database } from "bun:sqlite";
import { newestVersion } from "../../migrate.ts";
import { OTHER_KIND, OTHER_KINDS } from "../../rows/record-order.ts";
import type { Row } from "../connection/rows.ts";
import { SQLITE_MIGRATIONS } from "../migrations/migrations.ts";
import { refuseUnfinishedCopy } from "../opening/meta.ts";
import { type ExistingDatabase, onSnapshot } from "../opening/open-existing.ts";

export interface CheckReport {
  readonly path: string;
  readonly schemaVersion: number;
  /** Number of jobs examined. */
  readonly jobs: number;
  /** One sentence each; empty when the database is sound. At most 100 of a kind. */
  readonly problems: readonly string[];
}

const MOST_PROBLEMS = 100;

/** Rows that contradict each other, each as one column of text. */
const CONTRADICTIONS: readonly string[] = [
  `select 'the counter of function ' || coalesce(name, function_id) || ' in state ' || state || ' is ' || counted ||
     ', but the table has ' || found
   from (
     select function_id, state, sum(counted) as counted, sum(found) as found from (
       select function_id, state, count as counted, 0 as found from job_counts
       union all
       select function_id, state, 0, count(*) from jobs group by function_id, state
     ) group by function_id, state
   ) left join functions on functions.id = function_id
   where counted <> found`,
  `select 'job ' || lower(hex(id)) || ' has the unknown function ID ' || function_id from jobs
   where not exists (select 1 from functions where functions.id = function_id)`,
  `select 'job ' || lower(hex(id)) || ' has lost its args' from jobs
   where args is null and not exists (select 1 from large_args where job_id = jobs.id)`,
  `select 'large args without a job: ' || lower(hex(job_id)) from large_args
   where not exists (select 1 from jobs where jobs.id = job_id)`,
  `select 'attempt ' || attempt || ' without a job: ' || lower(hex(job_id)) from attempts
   where not exists (select 1 from jobs where jobs.id = job_id)`,
  `select 'tick of ' || coalesce(tick_at, 'a trigger') || ' without a job: ' || lower(hex(job_id)) from job_ticks
   where not exists (select 1 from jobs where jobs.id = job_id)`,
  `select 'tick of job ' || lower(hex(job_id)) || ' without a schedule: ' || lower(hex(schedule_id)) from job_ticks
   where not exists (select 1 from schedules where schedules.id = schedule_id)`,
  `select 'job ' || lower(hex(id)) || ' is parked, but nothing wakes it' from jobs
   where state = 2 and not exists (
     select 1 from checkpoints where job_id = jobs.id and recorded_at is null and wakes = 1
   )`,
  `select 'job ' || lower(hex(id)) || ' has ended, but still waits for ' || name from checkpoints
   join jobs on jobs.id = checkpoints.job_id where recorded_at is null and state >= 3`,
  `select 'checkpoint ' || name || ' without a job: ' || lower(hex(job_id)) from checkpoints
   where not exists (select 1 from jobs where jobs.id = job_id)`,
  `select 'signal ' || name || ' without a job: ' || lower(hex(job_id)) from signals
   where not exists (select 1 from jobs where jobs.id = job_id)`,
  `select 'details of the wait ' || name || ' without a job: ' || lower(hex(job_id)) from wait_details
   where not exists (select 1 from jobs where jobs.id = job_id)`,
  `select 'job ' || lower(hex(wait.job_id)) || ' waits for the signal ' || signal_name || ', which has already arrived'
   from wait_details join checkpoints as wait on wait.job_id = wait_details.job_id and wait.name = wait_details.name
   join signals on signals.job_id = wait.job_id and signals.name = signal_name and taken_by is null
   where recorded_at is null and (due_at is null or sent_at <= due_at)`,
  `select 'checkpoint ' || name || ' has an operation, but no order: ' || lower(hex(job_id)) from checkpoints
   where gate is null and op is not null`,
  `select 'checkpoint ' || name || ' is of an unknown kind: ' || lower(hex(job_id)) from checkpoints
   where (gate & ${OTHER_KIND}) <> 0 and kind not in (${OTHER_KINDS})`,
  // The integrity check of a connection that only reads passes over CHECK constraints.
  `select 'job ' || lower(hex(id)) || ' has the unknown state ' || state from jobs where state not between 0 and 5`,
  `select 'job ' || lower(hex(id)) || ' is in state ' || state || ' with is_ready ' || coalesce(is_ready, 'null')
   from jobs where (is_ready is null) <> (state <> 0)`,
  `select 'job ' || lower(hex(id)) || ' is in state ' || state || ', but listed as ' || list_state from jobs
   where list_state <> iif(state < 2, 0, state)`,
  "select 'job ' || lower(hex(id)) || ' is running, but has no worker' from jobs where state = 1 and worker_id is null",
  `select 'job ' || lower(hex(id)) || ' is terminal, but has no finish time' from jobs
   where state >= 3 and finished_at is null`,
  `select 'job ' || lower(hex(id)) || ' is terminal, but still has a deadline' from jobs
   where state >= 3 and deadline_at is not null`,
];

/**
 * Examines every page and row: SQLite's own integrity check, then legal states, counters, and rows that belong together.
 * Reads the whole file.
 */
export function checkSqliteDatabase(path: string): Promise<CheckReport> {
  return onSnapshot(path, check);
}

function check({ path, db, schemaVersion }: ExistingDatabase): CheckReport {
  const damages = column(db, `pragma integrity_check(${MOST_PROBLEMS})`).filter((text) => text !== "ok");
  if (schemaVersion < newestVersion(SQLITE_MIGRATIONS)) return { path, schemaVersion, jobs: 0, problems: damages };
  refuseUnfinishedCopy(db, path);
  const contradictions = CONTRADICTIONS.flatMap((sql) => column(db, `${sql} limit ${MOST_PROBLEMS}`));
  const jobs = Number(column(db, "select count(*) from jobs")[0]);
  return { path, schemaVersion, jobs, problems: [...damages, ...contradictions] };
}

function column(db: Database, sql: string): readonly string[] {
  const statement = db.prepare(sql);
  const rows = statement.values() as Row[];
  statement.finalize();
  return rows.map((row) => String(row[0]));
}
