import { resolveDatabasePath } from "../connection/database-path.ts";
import { type BackupProgress, type BackupReport, backupSqliteDatabase } from "./backup-database.ts";
import { type CheckReport, checkSqliteDatabase } from "./check-database.ts";
import { openSqliteSource, openSqliteTarget } from "./copy-side.ts";
import { describeSqliteDatabase, type SqliteDescription } from "./describe-database.ts";
import { type DatabaseMigration, migrateSqliteDatabase } from "./migrate-database.ts";

const SYSTEM_CLOCK = { now: () => Date.now(), monotonic: () => performance.now() };

/** Maintenance of one file. */
export class SqliteMaintenance {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  get name(): string {
    return resolveDatabasePath(this.#path);
  }

  migrate(): Promise<DatabaseMigration> {
    return migrateSqliteDatabase(this.#path, SYSTEM_CLOCK);
  }

  check(): Promise<CheckReport> {
    return checkSqliteDatabase(this.#path);
  }

  backup(destination: string, onProgress: (progress: BackupProgress) => void): Promise<BackupReport> {
    return backupSqliteDatabase(this.#path, destination, onProgress);
  }

  describe(): Promise<SqliteDescription> {
    return describeSqliteDatabase(this.#path);
  }

  examine(): Promise<SqliteDescription> {
    return describeSqliteDatabase(this.#path);
  }

  openSource() {
    return openSqliteSource(this.#path);
  }

  openTarget() {
    return openSqliteTarget(this.#path);
  }
}
