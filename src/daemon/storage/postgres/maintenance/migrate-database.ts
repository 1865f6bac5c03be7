import { newestVersion } from "../../migrate.ts";
import { USUAL_TIMEOUTS } from "../connection/connection.ts";
import { POSTGRES_MIGRATIONS } from "../migrations/migrations.ts";
import { openDatabase } from "../opening/open-database.ts";
import { onExisting } from "../opening/open-existing.ts";

export interface PostgresMigration {
  /** Host, port and database. */
  readonly path: string;
  /** The schema versions before and after; equal when there was nothing to do. */
  readonly from: number;
  readonly to: number;
}

/** Migrates a schema to the newest version, creating it if necessary. Daemons may do the same at the same time. */
export async function migratePostgresDatabase(url: string): Promise<PostgresMigration> {
  const { address, from } = await onExisting(url, async ({ address, schemaVersion }) => ({
    address,
    from: schemaVersion,
  }));
  await openDatabase(address, USUAL_TIMEOUTS);
  return { path: address.name, from, to: newestVersion(POSTGRES_MIGRATIONS) };
}
