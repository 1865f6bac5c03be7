/**
 * The storage operations of the `db` commands, which may take long and so run in the command's own process, next to a daemon
 * that may be running. `url` is a value of `--db`.
 */
import { DaemonError } from "./core/errors.ts";
import {
  type CopiedTable,
  type CopyOptions,
  type CopyProgress,
  type CopyReport,
  copyTables,
} from "./storage/copy-database.ts";
import type { CopySource, CopyTarget } from "./storage/copy-side.ts";
import { isPostgresUrl, sqlitePath } from "./storage/open-store.ts";
import { parsePostgresUrl } from "./storage/postgres/address.ts";
import { backupAdvice } from "./storage/postgres/maintenance/backup-advice.ts";
import { checkPostgresDatabase } from "./storage/postgres/maintenance/check-database.ts";
import { openPostgresSource, openPostgresTarget } from "./storage/postgres/maintenance/copy-side.ts";
import {
  describePostgresDatabase,
  type PostgresDescription,
} from "./storage/postgres/maintenance/describe-database.ts";
import { examinePostgresDatabase, type PostgresExamination } from "./storage/postgres/maintenance/examine-database.ts";
import { migratePostgresDatabase } from "./storage/postgres/maintenance/migrate-database.ts";
import { IN_MEMORY, resolveDatabasePath } from "./storage/sqlite/database-path.ts";
import {
  type BackupProgress,
  type BackupReport,
  backupSqliteDatabase,
} from "./storage/sqlite/maintenance/backup-database.ts";
import { type CheckReport, checkSqliteDatabase } from "./storage/sqlite/maintenance/check-database.ts";
import { openSqliteSource, openSqliteTarget } from "./storage/sqlite/maintenance/copy-side.ts";
import { describeSqliteDatabase, type SqliteDescription } from "./storage/sqlite/maintenance/describe-database.ts";
import { type DatabaseMigration, migrateSqliteDatabase } from "./storage/sqlite/maintenance/migrate-database.ts";

export { DaemonError } from "./core/errors.ts";
export type { BackupProgress, BackupReport, CheckReport, CopiedTable, CopyOptions, CopyProgress, CopyReport };
export type { DatabaseMigration, PostgresDescription, PostgresExamination, SqliteDescription };

export type DatabaseDescription = SqliteDescription | PostgresDescription;

/** Migrates a database to the newest schema; refuses a file that a daemon serves. A crash leaves a complete version. */
export async function migrateDatabase(url: string): Promise<DatabaseMigration> {
  if (isPostgresUrl(url)) return migratePostgresDatabase(url);
  return migrateSqliteDatabase(filePath(url), { now: () => Date.now(), monotonic: () => performance.now() });
}

/** Checks a whole database. Problems are reported, not thrown. */
export async function checkDatabase(url: string): Promise<CheckReport> {
  return isPostgresUrl(url) ? checkPostgresDatabase(url) : checkSqliteDatabase(filePath(url));
}

/** Copies an SQLite database to a new file, completely or not at all. For PostgreSQL the error names the tool to use. */
export async function backupDatabase(
  url: string,
  destination: string,
  onProgress: (progress: BackupProgress) => void = () => {},
): Promise<BackupReport> {
  if (isPostgresUrl(url)) throw backupAdvice(url, destination);
  return backupSqliteDatabase(filePath(url), destination, onProgress);
}

/** Reads versions, sizes and counts. */
export async function describeDatabase(url: string): Promise<DatabaseDescription> {
  return isPostgresUrl(url) ? describePostgresDatabase(url) : describeSqliteDatabase(filePath(url));
}

/** Reads what `doctor` judges. */
export async function examineDatabase(url: string): Promise<SqliteDescription | PostgresExamination> {
  return isPostgresUrl(url) ? examinePostgresDatabase(url) : describeSqliteDatabase(filePath(url));
}

/**
 * Copies one database into another, empty one, between stores of any kind, and compares the two. Refuses either while a
 * daemon uses it. After a crash at any point the same call continues.
 */
export async function copyDatabase(from: string, to: string, options: CopyOptions = {}): Promise<CopyReport> {
  if (addressOf(from) === addressOf(to)) {
    throw new DaemonError("invalid_argument", `db copy: both addresses name ${addressOf(from)}; give another target`);
  }
  const source = await openSource(from);
  try {
    const target = await openTarget(to);
    try {
      return await copyTables(source, target, options);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

function openSource(url: string): Promise<CopySource> {
  return isPostgresUrl(url) ? openPostgresSource(url) : openSqliteSource(filePath(url));
}

function openTarget(url: string): Promise<CopyTarget> {
  return isPostgresUrl(url) ? openPostgresTarget(url) : openSqliteTarget(filePath(url));
}

function addressOf(url: string): string {
  return isPostgresUrl(url) ? parsePostgresUrl(url).name : resolveDatabasePath(filePath(url));
}

function filePath(url: string): string {
  const path = sqlitePath(url);
  if (path !== IN_MEMORY) return path;
  throw new DaemonError("invalid_argument", `db: ${url} exists only inside its daemon; give the path of a file`);
}
