/**
 * The `db` commands' door to the storage: whatever may take long and so runs in the command's own process, beside a
 * daemon that may be running. `url` is what `--db` takes.
 */
import { DaemonError } from "./core/errors.ts";
import { sqlitePath } from "./storage/open-store.ts";
import { type BackupProgress, type BackupReport, backupSqliteDatabase } from "./storage/sqlite/backup-database.ts";
import { type CheckReport, checkSqliteDatabase } from "./storage/sqlite/check-database.ts";
import { IN_MEMORY } from "./storage/sqlite/database-path.ts";
import { type DatabaseDescription, describeSqliteDatabase } from "./storage/sqlite/describe-database.ts";
import { type DatabaseMigration, migrateSqliteDatabase } from "./storage/sqlite/migrate-database.ts";

export { DaemonError } from "./core/errors.ts";
export type { BackupProgress, BackupReport, CheckReport, DatabaseDescription, DatabaseMigration };

/** Brings a database to the newest schema; refuses while a daemon serves it. A crash leaves a whole version. */
export async function migrateDatabase(url: string): Promise<DatabaseMigration> {
  return migrateSqliteDatabase(filePath(url), { now: () => Date.now(), monotonic: () => performance.now() });
}

/** Examines a whole database; problems are in the report, not thrown. */
export async function checkDatabase(url: string): Promise<CheckReport> {
  return checkSqliteDatabase(filePath(url));
}

/** Copies a database to a new file, complete or not at all. */
export async function backupDatabase(
  url: string,
  destination: string,
  onProgress: (progress: BackupProgress) => void = () => {},
): Promise<BackupReport> {
  return backupSqliteDatabase(filePath(url), destination, onProgress);
}

/** Versions, sizes and counts. */
export async function describeDatabase(url: string): Promise<DatabaseDescription> {
  return describeSqliteDatabase(filePath(url));
}

function filePath(url: string): string {
  const path = sqlitePath(url);
  if (path !== IN_MEMORY) return path;
  throw new DaemonError("invalid_argument", `db: ${url} lives inside its daemon only; give the path of a file`);
}
