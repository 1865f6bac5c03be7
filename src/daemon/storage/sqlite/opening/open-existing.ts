import type { Database } from "bun:sqlite";
import { readSupportedVersion } from "../../migrate.ts";
import { openReader } from "../connection/connection.ts";
import { resolveExistingDatabase } from "../connection/database-path.ts";
import { toStoreError } from "../connection/faults.ts";
import { SQLITE_MIGRATIONS, sqliteTarget } from "../migrations/migrations.ts";

/** A database file opened for reading, beside a daemon that may be running on it. */
export interface ExistingDatabase {
  readonly path: string;
  readonly db: Database;
  readonly schemaVersion: number;
}

/**
 * Opens an existing file for reading, and runs `work` on one snapshot of it. May take long: for commands, not for the
 * daemon's thread. Throws `not_found`, `failed_precondition` for a file that is not a database of ours or has a newer
 * schema, `fatal` for a damaged one.
 */
export async function onSnapshot<T>(given: string, work: (existing: ExistingDatabase) => T): Promise<T> {
  const path = resolveExistingDatabase(given);
  try {
    const db = openReader(path);
    try {
      db.run("begin");
      const schemaVersion = await readSupportedVersion(sqliteTarget(db, path), SQLITE_MIGRATIONS);
      return work({ path, db, schemaVersion });
    } finally {
      db.close(true);
    }
  } catch (fault) {
    throw toStoreError(fault, path);
  }
}
