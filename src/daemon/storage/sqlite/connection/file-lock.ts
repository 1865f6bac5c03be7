import { constants, Database } from "bun:sqlite";
import { hostname } from "node:os";
import { DaemonError } from "../../../core/errors.ts";
import { sqliteCode, toStoreError } from "./faults.ts";
import type { Row } from "./rows.ts";

/** The holder of a database, for messages. */
export interface LockOwner {
  readonly nodeId: string;
  /** The address on which it listens; empty when it does not. */
  readonly address: string;
}

export interface FileLock {
  release(): void;
}

/** Another process may take the lock between our two transactions and release it, but hardly this often. */
const ROUNDS = 10;

/**
 * Takes the one right to write to a database file (P18): the lock that SQLite itself keeps on a tiny companion file
 * while a transaction is open. The kernel drops it with the process, on every system, and readers can still see in the
 * companion who holds it. Throws `failed_precondition` that names the holder.
 *
 * @param path without symbolic links, so that a file has one lock
 */
export function acquireFileLock(path: string, owner: LockOwner): FileLock {
  const lockPath = `${path}.lock`;
  const db = openLockFile(lockPath);
  try {
    if (!hold(db, owner)) throw refusal(path, db);
  } catch (fault) {
    db.close(true);
    throw lockFault(fault, lockPath);
  }
  return {
    release() {
      // The row is deleted with the lock: a holder that is named is alive, or was killed.
      if (db.inTransaction) db.run("delete from holder");
      if (db.inTransaction) db.run("commit");
      db.close(true);
    },
  };
}

function openLockFile(lockPath: string): Database {
  const before = process.umask(0o077);
  try {
    // With a synced journal on disk, the next start rolls back what a kill or a power cut interrupts here.
    return new Database(lockPath, constants.SQLITE_OPEN_READWRITE | constants.SQLITE_OPEN_CREATE);
  } catch (fault) {
    throw lockFault(fault, lockPath);
  } finally {
    process.umask(before);
  }
}

/** Damage of this file is not damage of the database: it holds no data. */
function lockFault(fault: unknown, lockPath: string): unknown {
  const code = sqliteCode(fault);
  if (code?.startsWith("SQLITE_CORRUPT") !== true && code !== "SQLITE_NOTADB") return toStoreError(fault, lockPath);
  return new DaemonError(
    "failed_precondition",
    `${lockPath} is corrupt (${code}), but the database is not: this file only identifies the daemon that serves it; ` +
      "make sure that no daemon is running on the database, delete this file and start again",
    { cause: fault },
  );
}

/** Writes who holds the lock, then takes the lock again and keeps it: its open transaction must write nothing. */
function hold(db: Database, owner: LockOwner): boolean {
  const text = JSON.stringify({ ...owner, pid: process.pid, host: hostname(), since: new Date().toISOString() });
  for (let round = 0; round < ROUNDS; round++) {
    if (!begin(db)) return false;
    if (readHolder(db) === text) return true;
    db.run("create table if not exists holder (text not null)");
    db.run("delete from holder");
    db.run("insert into holder values (?)", [text]);
    db.run("commit");
  }
  return false;
}

function begin(db: Database): boolean {
  try {
    db.run("begin immediate");
    return true;
  } catch (fault) {
    if (sqliteCode(fault)?.startsWith("SQLITE_BUSY") === true) return false;
    throw fault;
  }
}

function readHolder(db: Database): string | null {
  try {
    const statement = db.prepare("select * from holder");
    const text = (statement.values()[0] as Row | undefined)?.[0] ?? null;
    statement.finalize();
    return text as string | null;
  } catch {
    // There is no table yet, or the holder is writing it at this moment: then the message omits the name.
    return null;
  }
}

function refusal(path: string, db: Database): DaemonError {
  const { pid, host, address, since } = parseHolder(readHolder(db));
  const who =
    pid === undefined
      ? "another process"
      : `pid ${pid} on ${host}${address ? `, listening on ${address}` : ""}, since ${since}`;
  return new DaemonError(
    "failed_precondition",
    `${path} is in use by another reseolio process (${who}): only one daemon can serve a database file; use that daemon, stop it, or choose another --db`,
    {
      metadata: { path, ...(pid === undefined ? {} : { pid: String(pid), host: host ?? "", address: address ?? "" }) },
    },
  );
}

function parseHolder(text: string | null): { pid?: number; host?: string; address?: string; since?: string } {
  return text === null ? {} : (JSON.parse(text) as { pid: number; host: string; address: string; since: string });
}
