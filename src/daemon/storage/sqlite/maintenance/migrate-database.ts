import type { Clock } from "../../../core/clock.ts";
import { resolveExistingDatabase } from "../connection/database-path.ts";
import { createSqliteStore } from "../sqlite-store.ts";
import { describeSqliteDatabase } from "./describe-database.ts";

export interface DatabaseMigration {
  readonly path: string;
  /** The schema versions before and after; equal when there was nothing to do. */
  readonly from: number;
  readonly to: number;
}

/**
 * Brings an existing file to the newest schema. Takes the file's lock, so it throws `failed_precondition` while a
 * daemon serves it.
 */
export async function migrateSqliteDatabase(given: string, clock: Clock): Promise<DatabaseMigration> {
  const path = resolveExistingDatabase(given);
  const { schemaVersion: from, supportedSchemaVersion: to } = await describeSqliteDatabase(path);
  // Opening migrates.
  await (await createSqliteStore({ path, clock })).close();
  return { path, from, to };
}
