/** Checks where a database file may be: reports every fault before anything is created. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  realpathSync,
  statfsSync,
  statSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { DaemonError } from "../../../core/errors.ts";

export const IN_MEMORY = ":memory:";

/** f_type of Linux's network filesystems, on which WAL's shared memory and locks do not work. */
const NETWORK_FILESYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB"],
  [0x5346414f, "AFS"],
  [0x00c36400, "Ceph"],
  [0x0bd00bd0, "Lustre"],
  [0x47504653, "GPFS"],
]);

const SQLITE_MAGIC = "SQLite format 3\0";

/**
 * Returns the file's absolute path without symbolic links, which is the same for every name of the file. Throws
 * `failed_precondition` if no database can be there.
 */
export function resolveDatabasePath(given: string): string {
  const path = realPath(resolve(given));
  const directory = dirname(path);
  if (!existsSync(directory)) {
    throw unusable(path, `the directory ${directory} does not exist: create it first, or choose another path`);
  }
  if (!statSync(directory).isDirectory()) throw unusable(path, `${directory} is not a directory: choose another path`);
  refuseNetwork(path, directory);
  if (existsSync(path)) checkFile(path);
  else if (!isAllowed(directory, constants.W_OK | constants.X_OK)) {
    throw unusable(
      path,
      `the directory ${directory} cannot be written: change its permissions, or choose another path`,
    );
  }
  return path;
}

/** Like `resolveDatabasePath`, for a file that must exist and be readable. */
export function resolveExistingDatabase(given: string): string {
  const path = realPath(resolve(given));
  if (!existsSync(path)) {
    throw new DaemonError("not_found", `${path}: no such file; use the path passed to reseolio serve --db`);
  }
  checkFile(path, constants.R_OK);
  return path;
}

/** False also when there is no file: SQLite makes an empty one into a database. */
export function hasContent(path: string): boolean {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

function realPath(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  // A link to a file that does not exist yet: SQLite would create the file at the link's target.
  if (isLink(path)) return realPath(resolve(dirname(path), readlinkSync(path)));
  const directory = dirname(path);
  return existsSync(directory) ? join(realpathSync(directory), basename(path)) : path;
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    // The file does not exist, or a part of its path is not a directory: the caller distinguishes the two.
    return false;
  }
}

function refuseNetwork(path: string, directory: string): void {
  if (process.platform !== "linux") return;
  const name = NETWORK_FILESYSTEMS.get(statfsSync(directory).type >>> 0);
  if (name === undefined) return;
  throw unusable(path, `${directory} is on ${name}, where SQLite's locks cannot be trusted: choose a local disk`);
}

function checkFile(path: string, mode: number = constants.R_OK | constants.W_OK): void {
  const stat = statSync(path);
  if (stat.isDirectory())
    throw unusable(path, `is a directory: use a file in it, such as ${join(path, "reseolio.db")}`);
  if (!stat.isFile()) throw unusable(path, "is not a regular file: choose another path");
  if (stat.nlink > 1 && mode !== constants.R_OK) {
    // Log and lock are derived from the file's name, so another name would mean another log and lock.
    throw unusable(path, `the file has more than one name (${stat.nlink} hard links): remove the others, or copy it`);
  }
  if (!isAllowed(path, mode)) {
    throw unusable(path, "cannot be read and written by this user: change its owner or permissions");
  }
  if (mode !== constants.R_OK && !isAllowed(dirname(path), constants.W_OK | constants.X_OK)) {
    throw unusable(
      path,
      `its directory ${dirname(path)} is not writable, but the write-ahead log must be created there: change its permissions`,
    );
  }
  // A journal beside it means that a crash interrupted a write: the rollback will show what the file is.
  if (stat.size > 0 && !hasSqliteHeader(path) && !existsSync(`${path}-journal`)) {
    throw unusable(path, "is not an SQLite database: choose another path; a new file is created if none exists");
  }
}

function hasSqliteHeader(path: string): boolean {
  const header = Buffer.alloc(SQLITE_MAGIC.length);
  const file = openSync(path, "r");
  try {
    readSync(file, header, 0, header.length, 0);
  } finally {
    closeSync(file);
  }
  return header.toString("latin1") === SQLITE_MAGIC;
}

function isAllowed(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

function unusable(path: string, reason: string): DaemonError {
  return new DaemonError("failed_precondition", `cannot use ${path} as a database: ${reason}`, { metadata: { path } });
}
