import type { Database } from "bun:sqlite";
import { DaemonError } from "../../../core/errors.ts";
import type { Migration, MigrationTarget } from "../../migrate.ts";
import { readNumber } from "../connection/read-number.ts";
import jobs from "./0001_jobs.sql" with { type: "text" };
import schedules from "./0002_schedules.sql" with { type: "text" };
import workflows from "./0003_workflows.sql" with { type: "text" };
import order from "./0004_order.sql" with { type: "text" };
import signals from "./0005_signals.sql" with { type: "text" };
import undo from "./0006_undo.sql" with { type: "text" };

/** Imported as text, so that they are inside the executable. */
export const SQLITE_MIGRATIONS: readonly Migration[] = [
  { version: 1, sql: jobs },
  { version: 2, sql: schedules },
  { version: 3, sql: workflows },
  { version: 4, sql: order },
  { version: 5, sql: signals },
  { version: 6, sql: undo },
];

/** "RSLO", in the header of each of our files. */
const APPLICATION_ID = 0x52_53_4c_4f;

/** A database file as a target: its version is `user_version`, which changes with the transaction. */
export function sqliteTarget(db: Database, name: string): MigrationTarget {
  return {
    name,
    async readVersion() {
      refuseForeignFile(db, name);
      return readNumber(db, "pragma user_version");
    },
    async apply(migration) {
      db.run("begin immediate");
      try {
        if (readNumber(db, "pragma user_version") < migration.version) {
          db.run(migration.sql);
          db.run(`pragma application_id = ${APPLICATION_ID}`);
          db.run(`pragma user_version = ${migration.version}`);
        }
        db.run("commit");
      } catch (fault) {
        if (db.inTransaction) db.run("rollback");
        throw fault;
      }
    },
  };
}

function refuseForeignFile(db: Database, name: string): void {
  const applicationId = readNumber(db, "pragma application_id");
  if (applicationId === APPLICATION_ID) return;
  const tables = readNumber(db, "select count(*) from sqlite_schema");
  if (tables === 0 && applicationId === 0) return;
  throw new DaemonError(
    "failed_precondition",
    `${name} is the SQLite database of another program: choose another path; a new file is created if none exists`,
  );
}
