import type { Database } from "bun:sqlite";
import { statSync } from "node:fs";
import { newestVersion } from "../../migrate.ts";
import { stateOf } from "../../rows/job-rows.ts";
import type { JobCount } from "../../seam/jobs.ts";
import { sqliteVersion } from "../connection/connection.ts";
import { readNumber } from "../connection/read-number.ts";
import type { Row } from "../connection/rows.ts";
import { SQLITE_MIGRATIONS } from "../migrations/migrations.ts";
import { type ExistingDatabase, onSnapshot } from "../opening/open-existing.ts";

export interface SqliteDescription {
  readonly kind: "sqlite";
  readonly path: string;
  /** 0 for a file without tables. */
  readonly schemaVersion: number;
  /** The newest that this program knows. */
  readonly supportedSchemaVersion: number;
  readonly sqliteVersion: string;
  readonly fileBytes: number;
  /** Of the log beside the file. */
  readonly walBytes: number;
  readonly pageBytes: number;
  readonly pages: number;
  /** Pages that new rows will use before the file grows. */
  readonly freePages: number;
  /** From the counters, by function and state. */
  readonly jobs: readonly JobCount[];
}

export function describeSqliteDatabase(path: string): Promise<SqliteDescription> {
  return onSnapshot(path, describe);
}

function describe({ path, db, schemaVersion }: ExistingDatabase): SqliteDescription {
  return {
    kind: "sqlite",
    path,
    schemaVersion,
    supportedSchemaVersion: newestVersion(SQLITE_MIGRATIONS),
    sqliteVersion: sqliteVersion(db),
    fileBytes: statSync(path).size,
    walBytes: statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0,
    pageBytes: readNumber(db, "pragma page_size"),
    pages: readNumber(db, "pragma page_count"),
    freePages: readNumber(db, "pragma freelist_count"),
    jobs: schemaVersion === 0 ? [] : readCounts(db),
  };
}

function readCounts(db: Database): readonly JobCount[] {
  const statement = db.prepare(
    `select functions.name, job_counts.state, job_counts.count from job_counts
     join functions on functions.id = job_counts.function_id
     where job_counts.count <> 0 order by functions.name, job_counts.state`,
  );
  const rows = statement.values() as Row[];
  statement.finalize();
  return (rows as [string, number, number][]).map(([functionName, code, count]) => ({
    functionName,
    state: stateOf(code),
    count,
  }));
}
