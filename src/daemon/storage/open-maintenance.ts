import { DaemonError } from "../core/errors.ts";
import type { CopySource, CopyTarget } from "./copy/copy-side.ts";
import { isPostgresUrl, sqlitePath } from "./open-store.ts";
import type { PostgresDescription } from "./postgres/maintenance/describe-database.ts";
import type { PostgresExamination } from "./postgres/maintenance/examine-database.ts";
import { PostgresMaintenance } from "./postgres/maintenance/postgres-maintenance.ts";
import { IN_MEMORY } from "./sqlite/connection/database-path.ts";
import type { BackupProgress, BackupReport } from "./sqlite/maintenance/backup-database.ts";
import type { CheckReport } from "./sqlite/maintenance/check-database.ts";
import type { SqliteDescription } from "./sqlite/maintenance/describe-database.ts";
import type { DatabaseMigration } from "./sqlite/maintenance/migrate-database.ts";
import { SqliteMaintenance } from "./sqlite/maintenance/sqlite-maintenance.ts";

/** What can be done to a database without its store: nothing is opened before it is asked for. */
export interface Maintenance {
  /** As `Store.name`. */
  readonly name: string;
  /** Brings a database to the newest schema; refuses a file that a daemon serves. A crash leaves a whole version. */
  migrate(): Promise<DatabaseMigration>;
  /** Examines a whole database; problems are in the report, not thrown. */
  check(): Promise<CheckReport>;
  /** Copies a database to a new file, complete or not at all. */
  backup(destination: string, onProgress: (progress: BackupProgress) => void): Promise<BackupReport>;
  /** Versions, sizes and counts. */
  describe(): Promise<SqliteDescription | PostgresDescription>;
  /** What the doctor judges. */
  examine(): Promise<SqliteDescription | PostgresExamination>;
  openSource(): Promise<CopySource>;
  openTarget(): Promise<CopyTarget>;
}

/** @param url as `openStore` takes it, but not a database in memory */
export function openMaintenance(url: string): Maintenance {
  return isPostgresUrl(url) ? new PostgresMaintenance(url) : new SqliteMaintenance(filePath(url));
}

function filePath(url: string): string {
  const path = sqlitePath(url);
  if (path !== IN_MEMORY) return path;
  throw new DaemonError("invalid_argument", `db: ${url} exists only inside its daemon; use the path of a file`);
}
