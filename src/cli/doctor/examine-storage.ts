/** What the doctor sees of an SQLite database beside its daemon. */
import { statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { formatBytes } from "../text/bytes.ts";
import { type Finding, fine, wrong } from "./finding.ts";

/** What is read from the database itself. */
export interface StorageFacts {
  readonly path: string;
  readonly schemaVersion: number;
  readonly supportedSchemaVersion: number;
  readonly sqliteVersion: string;
  readonly fileBytes: number;
  readonly walBytes: number;
}

/** Every finding about the file, its log, its directory and its schema. */
export function examineStorage(database: StorageFacts): readonly Finding[] {
  return [
    fine("storage", `${database.path}, ${formatBytes(database.fileBytes)}`),
    examineSchema(database),
    examineSqlite(database),
    examineModes(database.path),
    examineLog(database),
    examineDisk(database),
  ];
}

/** Whether this program and the database are of one age. */
export function examineSchema({
  schemaVersion,
  supportedSchemaVersion,
}: Pick<StorageFacts, "schemaVersion" | "supportedSchemaVersion">): Finding {
  if (schemaVersion === supportedSchemaVersion) return fine("schema", `version ${schemaVersion}, the newest`);
  const message = `version ${schemaVersion}; this reseolio has ${supportedSchemaVersion}`;
  if (schemaVersion > supportedSchemaVersion) return wrong("schema", message, "use the newer reseolio");
  return wrong("schema", message, "reseolio db migrate, or restart the daemon with this executable");
}

/** 3.51.3 mends a race of several connections that could corrupt the log. */
const OLDEST_SQLITE = [3, 51, 3];

function examineSqlite({ sqliteVersion }: StorageFacts): Finding {
  const parts = sqliteVersion.split(".").map(Number);
  const difference = OLDEST_SQLITE.map((part, index) => (parts[index] ?? 0) - part).find((one) => one !== 0) ?? 0;
  if (difference >= 0) return fine("sqlite", sqliteVersion);
  const mend = "use a reseolio with its own SQLite, as on Linux";
  return wrong("sqlite", `${sqliteVersion} is older than ${OLDEST_SQLITE.join(".")}, which mends a corruption`, mend);
}

const OTHERS = 0o077;

function examineModes(path: string): Finding {
  const open = [path, `${path}-wal`, `${path}-shm`].filter((file) => {
    const stat = statSync(file, { throwIfNoEntry: false });
    return stat !== undefined && (stat.mode & OTHERS) !== 0;
  });
  if (open.length === 0 || process.platform === "win32") return fine("file modes", "only the owner can read the jobs");
  return wrong("file modes", `other users can reach ${open.join(", ")}`, `chmod 600 ${open.join(" ")}`);
}

const LARGE_LOG_BYTES = 256 * 1024 * 1024;

function examineLog({ path, walBytes }: StorageFacts): Finding {
  if (walBytes <= LARGE_LOG_BYTES) return fine("log", formatBytes(walBytes));
  const mend = `end programs that hold the file open (fuser ${path}); without a daemon, reseolio serve folds it in`;
  return wrong("log", `${formatBytes(walBytes)}: something keeps it from being folded into the file`, mend);
}

const LEAST_FREE_BYTES = 512 * 1024 * 1024;

function examineDisk({ path, fileBytes, walBytes }: StorageFacts): Finding {
  const disk = statfsSync(dirname(path));
  const free = disk.bavail * disk.bsize;
  // A checkpoint and a vacuum need room beside what is there.
  const needed = Math.max(LEAST_FREE_BYTES, (fileBytes + walBytes) / 5);
  if (free >= needed) return fine("disk", `${formatBytes(free)} free`);
  const message = `${formatBytes(free)} free in ${dirname(path)}; ${formatBytes(needed)} should be`;
  return wrong("disk", message, "make room, or shorten --retention and --dead-retention");
}
