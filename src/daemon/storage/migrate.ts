import { DaemonError } from "../core/errors.ts";

/** One step of the schema: frozen once released. */
export interface Migration {
  /** From 1, without gaps. */
  readonly version: number;
  /** Several statements in the database's own dialect, without transaction control. */
  readonly sql: string;
}

/** A database that can be migrated; both stores make one. */
export interface MigrationTarget {
  /** For messages: a path, or host and database. */
  readonly name: string;
  /** 0 for an empty database. Throws when what is there is not ours. */
  readVersion(): Promise<number>;
  /**
   * Runs the step and writes its version in one transaction, so that a crash leaves the version before or the one
   * after. Does nothing when another process has brought the database to this version meanwhile.
   */
  apply(migration: Migration): Promise<void>;
}

export interface MigrationReport {
  readonly from: number;
  readonly to: number;
}

/** Brings a database to the newest version; safe to repeat. Refuses a newer one with `failed_precondition` (P20). */
export async function migrate(target: MigrationTarget, migrations: readonly Migration[]): Promise<MigrationReport> {
  const from = await readSupportedVersion(target, migrations);
  for (const migration of migrations) {
    if (migration.version > from) await target.apply(migration);
  }
  return { from, to: newestVersion(migrations) };
}

/** The version of a database that this program can work with, perhaps after migrating it. */
export async function readSupportedVersion(target: MigrationTarget, migrations: readonly Migration[]): Promise<number> {
  const found = await target.readVersion();
  const newest = newestVersion(migrations);
  if (found <= newest) return found;
  throw new DaemonError(
    "failed_precondition",
    `${target.name} has schema version ${found}, but this version of reseolio supports only versions up to ${newest}: ` +
      "a newer version of reseolio migrated it; use that version, or restore a backup from before the upgrade",
    { metadata: { schemaVersion: String(found), supportedVersion: String(newest) } },
  );
}

export function newestVersion(migrations: readonly Migration[]): number {
  return migrations.at(-1)?.version ?? 0;
}
