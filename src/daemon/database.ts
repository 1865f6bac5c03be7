/**
 * What the `db` commands and the doctor do to a database: whatever may take long and so runs in the command's own
 * process, beside a daemon that may be running. `url` is what `--db` takes.
 */
import { DaemonError } from "./core/errors.ts";
import {
  type CopiedTable,
  type CopyOptions,
  type CopyProgress,
  type CopyReport,
  copyTables,
} from "./storage/copy/copy-database.ts";
import { openMaintenance } from "./storage/open-maintenance.ts";
import type { PostgresDescription } from "./storage/postgres/maintenance/describe-database.ts";
import type { PostgresExamination } from "./storage/postgres/maintenance/examine-database.ts";
import type { BackupProgress, BackupReport } from "./storage/sqlite/maintenance/backup-database.ts";
import type { CheckReport } from "./storage/sqlite/maintenance/check-database.ts";
import type { SqliteDescription } from "./storage/sqlite/maintenance/describe-database.ts";
import type { DatabaseMigration } from "./storage/sqlite/maintenance/migrate-database.ts";

export { DaemonError } from "./core/errors.ts";
export type { BackupProgress, BackupReport, CheckReport, CopiedTable, CopyOptions, CopyProgress, CopyReport };
export type { DatabaseMigration, PostgresDescription, PostgresExamination, SqliteDescription };

export type DatabaseDescription = SqliteDescription | PostgresDescription;

/** Brings a database to the newest schema; refuses a file that a daemon serves. A crash leaves a whole version. */
export async function migrateDatabase(url: string): Promise<DatabaseMigration> {
  return openMaintenance(url).migrate();
}

/** Examines a whole database; problems are in the report, not thrown. */
export async function checkDatabase(url: string): Promise<CheckReport> {
  return openMaintenance(url).check();
}

/** Copies an SQLite database to a new file, complete or not at all. PostgreSQL has its own tool, which the error names. */
export async function backupDatabase(
  url: string,
  destination: string,
  onProgress: (progress: BackupProgress) => void = () => {},
): Promise<BackupReport> {
  return openMaintenance(url).backup(destination, onProgress);
}

/** Versions, sizes and counts. */
export async function describeDatabase(url: string): Promise<DatabaseDescription> {
  return openMaintenance(url).describe();
}

/** What the doctor judges. */
export async function examineDatabase(url: string): Promise<SqliteDescription | PostgresExamination> {
  return openMaintenance(url).examine();
}

/**
 * Copies all that one database holds into another, empty one, between stores of any kind, and compares the two. Refuses
 * both while daemons work on them. After a kill at any point, the same call continues where it was.
 */
export async function copyDatabase(from: string, to: string, options: CopyOptions = {}): Promise<CopyReport> {
  const [given, filled] = [openMaintenance(from), openMaintenance(to)];
  if (given.name === filled.name) {
    throw new DaemonError(
      "invalid_argument",
      `db copy: FROM and TO are the same database, ${given.name}; choose another TO`,
    );
  }
  const source = await given.openSource();
  try {
    const target = await filled.openTarget();
    try {
      return await copyTables(source, target, options);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}
