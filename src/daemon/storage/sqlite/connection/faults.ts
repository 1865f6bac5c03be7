import { DaemonError, type ErrorCode } from "../../../core/errors.ts";

/**
 * Translates a fault of SQLite to a `DaemonError` by its `code`; returns any other error as it is.
 *
 * @param path of the database, for the message
 */
export function toStoreError(fault: unknown, path: string): unknown {
  const code = sqliteCode(fault);
  if (code === null) return fault;
  const [kind, advice] = verdictOn(code);
  return new DaemonError(kind, `${path}: ${(fault as Error).message} (${code}); ${advice}`, {
    cause: fault,
    metadata: { sqliteCode: code },
  });
}

export function sqliteCode(fault: unknown): string | null {
  if (!(fault instanceof Error)) return null;
  const code = (fault as Error & { code?: unknown }).code;
  return typeof code === "string" && code.startsWith("SQLITE_") ? code : null;
}

function verdictOn(code: string): readonly [ErrorCode, string] {
  if (code === "SQLITE_FULL") {
    return ["resource_exhausted", "the disk is full: free some space; reseolio recovers by itself"];
  }
  if (code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB") {
    return ["fatal", "the file is corrupt: stop the daemon, run reseolio db check, and restore a backup"];
  }
  // After a failed fsync the system may call pages clean that never reached the disk: only a restart reads the truth.
  if (code === "SQLITE_IOERR_FSYNC" || code === "SQLITE_IOERR_DIR_FSYNC") {
    return ["fatal", "writing to disk failed: check the disk, then start again"];
  }
  if (code.startsWith("SQLITE_IOERR")) {
    return ["fatal", "reading or writing the file failed: check the disk and its mount, then start again"];
  }
  if (code.startsWith("SQLITE_READONLY")) {
    return ["fatal", "the file is not writable: check its permissions and the mount, then restart"];
  }
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) {
    return ["unavailable", "another program has locked the file: close it, then try again"];
  }
  if (code === "SQLITE_CANTOPEN") {
    return ["unavailable", "the file cannot be opened: check that it exists and is readable and writable"];
  }
  if (code === "SQLITE_TOOBIG" || code === "SQLITE_NOMEM") {
    return ["resource_exhausted", "not enough memory: send smaller payloads or batches"];
  }
  return ["internal", "please report this with the text above"];
}
