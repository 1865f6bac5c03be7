import { closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { DaemonError } from "../../../core/errors.ts";
import { toStoreError } from "../connection/faults.ts";
import { onSnapshot } from "../opening/open-existing.ts";
import { type CheckReport, checkSqliteDatabase } from "./check-database.ts";

export interface BackupReport {
  /** Of the database. */
  readonly path: string;
  /** Of the copy. */
  readonly destination: string;
  readonly sizeBytes: number;
  readonly jobs: number;
}

export interface BackupProgress {
  readonly phase: "copying" | "verifying";
  /** Bytes of the file that is read in this phase. */
  readonly totalBytes: number;
}

/**
 * Copies the current state of a database, compacted, even while a daemon is running. The copy gets its name (mode 0600)
 * only when it is complete, checked and on disk; nothing is left behind when this fails or is killed but a `.partial`
 * file. Throws `already_exists` when something has that name.
 */
export async function backupSqliteDatabase(
  source: string,
  destination: string,
  onProgress: (progress: BackupProgress) => void,
): Promise<BackupReport> {
  const target = checkDestination(destination);
  const partial = join(dirname(target), `.${basename(target)}.${process.pid}.partial`);
  try {
    const path = await copy(source, partial, onProgress);
    onProgress({ phase: "verifying", totalBytes: statSync(partial).size });
    const { jobs } = verify(await checkSqliteDatabase(partial), path);
    publish(partial, target);
    return { path, destination: target, sizeBytes: statSync(target).size, jobs };
  } catch (fault) {
    throw toStoreError(fault, target);
  } finally {
    for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(`${partial}${suffix}`, { force: true });
  }
}

function checkDestination(given: string): string {
  const target = resolve(given);
  if (existsSync(target)) throw occupied(target);
  if (!existsSync(dirname(target))) {
    throw new DaemonError(
      "failed_precondition",
      `cannot write the backup ${target}: the directory ${dirname(target)} does not exist; create it first`,
    );
  }
  return target;
}

function copy(source: string, partial: string, onProgress: (progress: BackupProgress) => void): Promise<string> {
  return onSnapshot(source, ({ path, db }) => {
    onProgress({ phase: "copying", totalBytes: statSync(path).size });
    const before = process.umask(0o077);
    try {
      // Takes its own snapshot: not possible inside a transaction.
      db.run("commit");
      db.run("pragma query_only = 0");
      db.run("vacuum into ?", [partial]);
    } finally {
      process.umask(before);
    }
    return path;
  });
}

function verify(report: CheckReport, source: string): CheckReport {
  if (report.problems.length === 0) return report;
  throw new DaemonError(
    "fatal",
    `the copy of ${source} failed verification (${report.problems[0]}) and was deleted: run reseolio db check`,
  );
}

/** A hard link fails when the name was taken meanwhile, where a rename would replace what is there. */
function publish(partial: string, target: string): void {
  sync(partial);
  try {
    linkSync(partial, target);
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === "EEXIST") throw occupied(target);
    throw new DaemonError("failed_precondition", `cannot name the backup ${target}: ${(fault as Error).message}`, {
      cause: fault,
    });
  }
  if (process.platform !== "win32") sync(dirname(target));
}

function sync(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function occupied(target: string): DaemonError {
  return new DaemonError("already_exists", `the backup ${target} already exists: choose another name, or remove it`);
}
