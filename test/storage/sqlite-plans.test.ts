import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { createSqliteStore } from "../../src/daemon/storage/sqlite/sqlite-store.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { tempDir } from "../support/temp-dir.ts";

/** Statements that read all of a table which stays small, or a partial index of waiting jobs in its order, by LIMIT. */
const ALLOWED_SCANS: readonly RegExp[] = [
  /^SCAN (sqlite_master|CONSTANT ROW)$/,
  /^SCAN functions/,
  /^SCAN job_counts/,
  /^SCAN workers/,
  /^SCAN jobs USING COVERING INDEX jobs_scheduled$/,
  /^SCAN jobs USING COVERING INDEX jobs_deadline$/,
  // One row of the index of steps that can be undone.
  /^SCAN step$/,
  // Holds the events that are being told only.
  /^SCAN events USING (COVERING )?INDEX events_spreading$/,
  // A page of everything, newest first: stops at its LIMIT.
  /^SCAN jobs USING COVERING INDEX sqlite_autoindex_jobs_1$/,
  /^SCAN \d+-ROW VALUES CLAUSE$/,
  // Schedules are few, and counted without their rows.
  /^SCAN schedules USING COVERING INDEX schedules_list$/,
  /^SCAN json_each VIRTUAL TABLE INDEX 1:$/,
];

/** Prepared statements of an open store, as they were written. */
async function statementsOf(path: string): Promise<readonly string[]> {
  const statements = new Set<string>();
  const spied = Database.prototype.prepare;
  Database.prototype.prepare = function (this: Database, ...args: Parameters<typeof spied>) {
    statements.add(args[0]);
    return spied.apply(this, args);
  } as typeof spied;
  try {
    await (await createSqliteStore({ path, clock: new ManualClock() })).close();
  } finally {
    Database.prototype.prepare = spied;
  }
  return [...statements].filter(
    (sql) => /^\s*(select|insert|update|delete)\b/i.test(sql) && !sql.includes("from holder"),
  );
}

function planOf(db: Database, sql: string): readonly string[] {
  return db
    .query(`explain query plan ${sql}`)
    .values()
    .map((row) => String(row[3]));
}

test("no statement of the store reads a whole table of jobs, or sorts what it read", async () => {
  await using directory = await tempDir();
  const path = directory.file("jobs.db");
  const statements = await statementsOf(path);
  expect(statements.length).toBeGreaterThan(30);
  using db = new Database(path);
  const faults = statements.flatMap((sql) =>
    planOf(db, sql)
      .filter((line) => line.startsWith("SCAN ") || line.includes("TEMP B-TREE"))
      .filter((line) => !ALLOWED_SCANS.some((allowed) => allowed.test(line)))
      .map((line) => `${line}   <-   ${written(sql)}`),
  );
  expect(faults).toEqual([]);
});

test("no statement lets SQLite look at a parameter, which would prepare it anew for each run", async () => {
  await using directory = await tempDir();
  const statements = await statementsOf(directory.file("jobs.db"));
  expect(
    statements.filter((sql) =>
      /limit [?$]|offset [?$]|list_state = [?$]|function_id = [?$]\w* and is_ready/.test(written(sql)),
    ),
  ).toEqual([]);
});

test("each hot statement goes by the index that was made for it", async () => {
  await using directory = await tempDir();
  const path = directory.file("jobs.db");
  const statements = await statementsOf(path);
  using db = new Database(path);
  const plan = (fragment: string): string => {
    const found = statements.filter((sql) => written(sql).includes(fragment));
    expect(found).toHaveLength(1);
    return planOf(db, found[0]!).join("; ");
  };
  expect({
    claim: plan("deadline_at from jobs where function_id = (? + 0) and is_ready = 1"),
    lease: plan("rowid in ( select rowid from jobs where function_id = (? + 0) and is_ready = 1"),
    succeed: plan("set state = 3, list_state = 3"),
    promote: plan("set is_ready = 1"),
    overdue: plan("where deadline_at is not null and deadline_at <= ?"),
    page: plan("select id from jobs where function_id = (? + 0) and list_state = (? + 0) and id < ? order by id desc"),
    key: plan("select id from jobs where function_id = ? and idempotency_key = ?"),
    children: plan("where parent_id = ? and state <"),
    prune: plan("and id > ? order by id limit"),
    running: plan("list_state = 0 and state = 1"),
    dueSchedules: plan("next_run_at is not null and next_run_at <= ?"),
    nextTick: plan("next_run_at is not null order by next_run_at limit 1"),
    ticksOfSchedule: plan("where schedule_id = ? and job_id < ?"),
    recentTicks: plan("tick_at >= ? order by tick_at limit"),
  }).toEqual({
    claim: "SEARCH jobs USING INDEX jobs_claim (function_id=?)",
    lease:
      "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?); LIST SUBQUERY 1; " +
      "SEARCH jobs USING COVERING INDEX jobs_claim (function_id=?)",
    succeed: "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)",
    promote:
      "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?); LIST SUBQUERY 1; " +
      "SEARCH jobs USING COVERING INDEX jobs_scheduled (run_at<?)",
    overdue: "SEARCH jobs USING INDEX jobs_deadline (deadline_at>? AND deadline_at<?)",
    page: "SEARCH jobs USING COVERING INDEX jobs_list (function_id=? AND list_state=? AND id<?)",
    key: "SEARCH jobs USING INDEX jobs_idempotency (function_id=? AND idempotency_key=?)",
    children: "SEARCH jobs USING INDEX jobs_parent (parent_id=?)",
    prune: "SEARCH jobs USING COVERING INDEX jobs_list (function_id=? AND list_state=? AND id>?)",
    running: "SEARCH jobs USING INDEX jobs_list (function_id=? AND list_state=?)",
    dueSchedules: "SEARCH schedules USING INDEX schedules_due (next_run_at>? AND next_run_at<?)",
    nextTick: "SEARCH schedules USING COVERING INDEX schedules_due (next_run_at>?)",
    ticksOfSchedule: "SEARCH job_ticks USING COVERING INDEX job_ticks_list (schedule_id=? AND job_id<?)",
    recentTicks:
      "SEARCH job_ticks USING COVERING INDEX job_ticks_tick (schedule_id=? AND tick_at>?); " +
      "SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 (id=?)",
  });
});

function written(sql: string): string {
  return sql.replaceAll(/\s+/g, " ");
}
