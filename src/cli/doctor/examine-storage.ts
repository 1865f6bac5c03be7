/** Checks of an SQLite database, without its daemon. */
import { statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { formatBytes } from "../text/bytes.ts";
import { type Finding, fine, wrong } from "./finding.ts";

/** Facts read from the database. */
export interface StorageFacts {
  readonly path: string;
  readonly schemaVersion: number;
  readonly supportedSchemaVersion: number;
  readonly sqliteVersion: string;
  readonly fileBytes: number;
  readonly walBytes: number;
}

/** Checks the file, its write-ahead log, its directory and its schema. */
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

/** Checks that the schema version of the database is that of this program. */
export function examineSchema({
  schemaVersion,
  supportedSchemaVersion,
}: Pick<StorageFacts, "schemaVersion" | "supportedSchemaVersion">): Finding {
  if (schemaVersion === supportedSchemaVersion) return fine("schema", `version ${schemaVersion}, current`);
  const message = `version ${schemaVersion}; this version of reseolio uses ${supportedSchemaVersion}`;
  if (schemaVersion > supportedSchemaVersion) return wrong("schema", message, "use the newer version of reseolio");
  return wrong("schema", message, "run reseolio db migrate, or restart the daemon with this executable");
}

/** 3.51.3 fixes a race between connections that could corrupt the write-ahead log. */
const OLDEST_SQLITE = [3, 51, 3];

function examineSqlite({ sqliteVersion }: StorageFacts): Finding {
  const parts = sqliteVersion.split(".").map(Number);
  const difference = OLDEST_SQLITE.map((part, index) => (parts[index] ?? 0) - part).find((one) => one !== 0) ?? 0;
  if (difference >= 0) return fine("sqlite", sqliteVersion);
  const fix = "use a build of reseolio that includes SQLite, as on Linux";
  return wrong(
    "sqlite",
    `${sqliteVersion} is older than ${OLDEST_SQLITE.join(".")}, which fixes a database corruption`,
    fix,
  );
}

const OTHERS = 0o077;

function examineModes(path: string): Finding {
  const open = [path, `${path}-wal`, `${path}-shm`].filter((file) => {
    const stat = statSync(file, { throwIfNoEntry: false });
    return stat !== undefined && (stat.mode & OTHERS) !== 0;
  });
  if (open.length === 0 || process.platform === "win32")
    return fine("file modes", "only the owner can read the database");
  return wrong("file modes", `other users can access ${open.join(", ")}`, `chmod 600 ${open.join(" ")}`);
}

const LARGE_LOG_BYTES = 256 * 1024 * 1024;

function examineLog({ path, walBytes }: StorageFacts): Finding {
  if (walBytes <= LARGE_LOG_BYTES) return fine("log", formatBytes(walBytes));
  const fix = `stop programs that hold the file open (fuser ${path}); if no daemon is running, reseolio serve checkpoints it`;
  return wrong("log", `${formatBytes(walBytes)}: something prevents checkpoints of the write-ahead log`, fix);
}

const LEAST_FREE_BYTES = 512 * 1024 * 1024;

function examineDisk({ path, fileBytes, walBytes }: StorageFacts): Finding {
  const disk = statfsSync(dirname(path));
  const free = disk.bavail * disk.bsize;
  // A checkpoint and a vacuum need additional space.
  const needed = Math.max(LEAST_FREE_BYTES, (fileBytes + walBytes) / 5);
  if (free >= needed) return fine("disk", `${formatBytes(free)} free`);
  const message = `${formatBytes(free)} free in ${dirname(path)}; at least ${formatBytes(needed)} recommended`;
  return wrong("disk", message, "free disk space, or shorten --retention and --dead-retention");
}
