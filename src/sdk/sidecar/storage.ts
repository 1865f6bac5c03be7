import { realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { ReseolioError } from "../errors.ts";

export const DEFAULT_STORAGE = "sqlite://./reseolio.db";
/** Schema of a PostgreSQL database if the URL names none. */
const DEFAULT_SCHEMA = "reseolio";

/** Where a daemon keeps its jobs. */
export type Storage =
  /** `path` is absolute. */
  | { readonly kind: "sqlite"; readonly path: string }
  /** `name` is host, port, database and a non-default schema, without the password that `url` may contain. */
  | { readonly kind: "postgres"; readonly url: string; readonly name: string };

/**
 * Accepts a path, `sqlite://path` and `postgres://…`; a relative path is resolved against `cwd`.
 *
 * @throws ReseolioError `invalid_argument`; its message does not contain the password
 */
export function parseStorage(text: string, cwd: string): Storage {
  if (typeof text !== "string") throw badStorage(`is a ${typeof text}`);
  const scheme = /^([a-z][a-z0-9+]+):/i.exec(text)?.[1]?.toLowerCase();
  // A single letter before the colon is a drive.
  if (scheme === undefined) return sqlite(text, cwd);
  if (scheme === "sqlite") return sqlite(text.replace(/^sqlite:(\/\/)?/i, ""), cwd);
  if (scheme === "postgres" || scheme === "postgresql") return postgres(text);
  throw badStorage(`has the unknown scheme ${scheme}:`);
}

function sqlite(path: string, cwd: string): Storage {
  if (path.trim() === "") throw badStorage("has no path");
  return { kind: "sqlite", path: resolve(cwd, path) };
}

function postgres(url: string): Storage {
  const parsed = tryUrl(url);
  if (parsed === null) throw badStorage("is not a valid postgres:// URL");
  const port = parsed.port === "" ? "5432" : parsed.port;
  const schema = parsed.searchParams.get("schema") ?? DEFAULT_SCHEMA;
  const name = `${parsed.hostname}:${port}${parsed.pathname}${schema === DEFAULT_SCHEMA ? "" : `?schema=${schema}`}`;
  return { kind: "postgres", url, name };
}

function tryUrl(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

function badStorage(fault: string): ReseolioError {
  return new ReseolioError(
    "invalid_argument",
    `storage ${fault}; use a path, sqlite://path or postgres://user@host/database`,
  );
}

/** The storage as the daemon names it in GetInfo. */
export function storageName(storage: Storage): string {
  return storage.kind === "sqlite" ? storage.path : storage.name;
}

/** Whether a daemon that reports this kind and name serves the storage; resolves links to the same file. */
export function isSameStorage(storage: Storage, kind: string, name: string): boolean {
  if (storage.kind !== kind) return false;
  if (storage.kind === "postgres") return storage.name === name;
  return realPath(storage.path) === realPath(name);
}

/** The file itself may not exist yet. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return dirname(path) === path ? path : join(realPath(dirname(path)), basename(path));
  }
}
