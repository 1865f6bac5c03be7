import type { Clock } from "../core/clock.ts";
import { DaemonError } from "../core/errors.ts";
import { createPostgresStore } from "./postgres/postgres-store.ts";
import type { Store } from "./seam/store.ts";
import { IN_MEMORY } from "./sqlite/connection/database-path.ts";
import type { LockOwner } from "./sqlite/connection/file-lock.ts";
import { createSqliteStore } from "./sqlite/sqlite-store.ts";

export interface OpenedStore {
  readonly store: Store;
  /** What an operator should know, to be logged; empty when all is well. */
  readonly warnings: readonly string[];
}

/**
 * Opens the store that a setting names, migrated and ready.
 *
 * @param url `sqlite://./file.db` (relative), `sqlite:///abs/file.db`, a bare path, `:memory:`, or
 *   `postgres://user:password@host:port/database`
 */
export async function openStore(
  url: string,
  options: { readonly clock: Clock; readonly owner?: LockOwner },
): Promise<OpenedStore> {
  if (isPostgresUrl(url)) {
    const store = await createPostgresStore({ url });
    return { store, warnings: store.warnings };
  }
  const store = await createSqliteStore({ ...options, path: sqlitePath(url) });
  return { store, warnings: store.warnings };
}

export function isPostgresUrl(url: string): boolean {
  return /^postgres(ql)?:/i.test(url);
}

/** The path in a storage setting; throws `invalid_argument` when it names no SQLite database. Never shows a password. */
export function sqlitePath(url: string): string {
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]+):(.*)$/is.exec(url) ?? [];
  // One letter before a colon is a Windows drive, which the pattern does not match as a scheme.
  if (scheme === undefined || rest === undefined) return nonEmptyPath(url, url);
  switch (scheme.toLowerCase()) {
    case "sqlite":
      return nonEmptyPath(rest.startsWith("//") ? rest.slice(2) : rest, url);
    case "postgres":
    case "postgresql":
      throw invalidUrl(
        `${scheme}://… is not a file, and this command supports only SQLite; use sqlite://./reseolio.db or a path`,
      );
    default:
      throw invalidUrl(
        `${scheme}:… is not a storage that reseolio supports; use sqlite://./reseolio.db, a path, or postgres://…`,
      );
  }
}

function nonEmptyPath(path: string, url: string): string {
  if (path === "")
    throw invalidUrl(`${JSON.stringify(url)} contains no file path; use sqlite://./reseolio.db or a path`);
  if (path.includes("\0")) throw invalidUrl(`${JSON.stringify(url)} has a null byte in its path`);
  return path === IN_MEMORY || path === `/${IN_MEMORY}` ? IN_MEMORY : path;
}

function invalidUrl(description: string): DaemonError {
  return new DaemonError("invalid_argument", `db: ${description}`, { violations: [{ field: "db", description }] });
}
