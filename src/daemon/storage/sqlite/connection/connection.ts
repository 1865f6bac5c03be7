import { constants, Database } from "bun:sqlite";
import { existsSync, statSync } from "node:fs";
import { IN_MEMORY } from "./database-path.ts";
import { sqliteCode, toStoreError } from "./faults.ts";
import { readNumber } from "./read-number.ts";
import type { Row } from "./rows.ts";

/** Before this version two connections that write and checkpoint can damage a file (the WAL-reset bug). */
const SAFE_SQLITE_VERSION = "3.51.3";

/** Pages of 4 KiB written to the log before a commit also moves them into the file. */
const CHECKPOINT_PAGES = 1_000;
const JOURNAL_SIZE_LIMIT = 64 * 1024 * 1024;
const WRITER_CACHE_KIB = 32 * 1024;
const READER_CACHE_KIB = 4 * 1024;
/** Readers of other processes hold locks only briefly, when they start. Waiting blocks this thread. */
const BUSY_TIMEOUT_MS = 250;

/** The connection that writes. A file is made with mode 0600 when there is none. */
export function openWriter(path: string): Database {
  const db = withPrivateUmask(() => new Database(path, constants.SQLITE_OPEN_READWRITE | constants.SQLITE_OPEN_CREATE));
  try {
    configureWriter(db, path);
  } catch (fault) {
    db.close(true);
    throw fault;
  }
  return db;
}

function configureWriter(db: Database, path: string): void {
  db.run(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}`);
  if (path !== IN_MEMORY) withPrivateUmask(() => setWal(db, path));
  db.run("pragma synchronous = full");
  if (process.platform === "darwin") {
    // There fsync alone leaves data in the drive's cache.
    db.run("pragma fullfsync = 1");
    db.run("pragma checkpoint_fullfsync = 1");
  }
  db.run(`pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  db.run(`pragma journal_size_limit = ${JOURNAL_SIZE_LIMIT}`);
  db.run(`pragma cache_size = -${WRITER_CACHE_KIB}`);
  db.run("pragma temp_store = memory");
  db.run("pragma trusted_schema = 0");
}

function setWal(db: Database, path: string): void {
  const statement = db.prepare("pragma journal_mode = wal");
  const mode = (statement.values()[0] as Row)[0] as string;
  statement.finalize();
  if (mode !== "wal")
    throw new Error(`${path}: the journal mode is ${mode} and cannot be set to wal: choose a local disk`);
}

/**
 * Rolls back what a crash interrupted before the file had a log, such as its creation: SQLite does that at the next read,
 * but not through a connection that only reads.
 */
export function rollBackCrash(path: string): void {
  if (!existsSync(path) || !existsSync(`${path}-journal`)) return;
  const db = new Database(path, constants.SQLITE_OPEN_READWRITE);
  try {
    db.run(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}`);
    readNumber(db, "select count(*) from sqlite_schema");
  } catch (fault) {
    // A process that holds the file has not crashed.
    if (sqliteCode(fault)?.startsWith("SQLITE_BUSY") !== true) throw toStoreError(fault, path);
  } finally {
    db.close(true);
  }
}

/** A connection that only reads; sees what is committed and never waits for the writer. */
export function openReader(path: string): Database {
  const db = new Database(path, constants.SQLITE_OPEN_READONLY);
  db.run(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}`);
  db.run(`pragma cache_size = -${READER_CACHE_KIB}`);
  db.run("pragma query_only = 1");
  return db;
}

export function sqliteVersion(db: Database): string {
  const statement = db.prepare("select sqlite_version()");
  const version = (statement.values()[0] as Row)[0] as string;
  statement.finalize();
  return version;
}

/** What an operator should know about the library; empty when all is well. */
export function versionWarnings(version: string): readonly string[] {
  if (Bun.semver.order(version, SAFE_SQLITE_VERSION) >= 0) return [];
  return [
    `SQLite ${version} is older than ${SAFE_SQLITE_VERSION} and can damage its file in rare cases: ` +
      "run reseolio on a system with a newer SQLite, and keep backups",
  ];
}

/** Bytes of the file with its log. */
export function fileBytes(path: string): number {
  const sizes = ["", "-wal"].map((suffix) => statSync(`${path}${suffix}`, { throwIfNoEntry: false })?.size ?? 0);
  return sizes.reduce((sum, size) => sum + size);
}

/** Bytes of the pages, which is all there is of a database in memory. */
export function pageBytes(db: Database): number {
  return readNumber(db, "pragma page_count") * readNumber(db, "pragma page_size");
}

function withPrivateUmask<T>(open: () => T): T {
  const before = process.umask(0o077);
  try {
    return open();
  } finally {
    process.umask(before);
  }
}
