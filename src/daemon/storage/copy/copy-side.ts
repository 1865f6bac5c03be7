/** The two sides of a copy; each store implements both. */
import { DaemonError } from "../../core/errors.ts";
import { type CopyKey, type CopyRow, type CopyTable, UNFINISHED_COPY } from "./copy-tables.ts";

/** A database that is read from end to end. No daemon works on it, and it does not change, until it is closed. */
export interface CopySource {
  /** Absolute path of the file, or host, port and database; never a password. */
  readonly name: string;
  countRows(table: CopyTable): Promise<number>;
  /** The rows after a key, in the order of the key: at most a few megabytes of them, none at the end. */
  readRows(table: CopyTable, after: CopyKey | null): Promise<readonly CopyRow[]>;
  close(): Promise<void>;
}

/** A database that is filled. No daemon opens it before `finish`. */
export interface CopyTarget extends CopySource {
  /** How far an unfinished copy into this database came; null when there is none. */
  readMarker(): Promise<CopyMarker | null>;
  /** Marks the database, which must be empty, as the target of a copy. False when it was marked already. */
  begin(marker: CopyMarker): Promise<boolean>;
  /** Stores the rows and advances the marker, or does neither: false when the marker was no longer `from`. */
  write(table: CopyTable, rows: readonly CopyRow[], move: MarkerMove): Promise<boolean>;
  /**
   * Recounts the jobs and removes the marker; a daemon may open the database then. False when the marker was another
   * one, and nothing was done.
   */
  finish(marker: CopyMarker): Promise<boolean>;
  /** Empties a database that has a marker. */
  erase(): Promise<void>;
}

/** The progress of a copy: all tables before `table`, and the rows of `table` up to and including `after`. */
export interface CopyMarker {
  /** Name of the source. */
  readonly source: string;
  readonly table: string;
  readonly after: CopyKey | null;
}

export interface MarkerMove {
  readonly from: CopyMarker;
  readonly to: CopyMarker;
}

/** About how much is read and written at once: bounds the memory of a copy. */
export const PAGE_ROWS = 2_000;
export const PAGE_BYTES = 4 * 1024 * 1024;

export function markerText({ source, table, after }: CopyMarker): string {
  return JSON.stringify({ source, table, after });
}

export function readMarkerText(text: string | null): CopyMarker | null {
  return text === null ? null : (JSON.parse(text) as CopyMarker);
}

/** The error for an unfinished copy, which only a copy may open. */
export function unfinishedCopy(name: string, text: string): DaemonError {
  const { source } = JSON.parse(text) as CopyMarker;
  return new DaemonError(
    "failed_precondition",
    `${name} is an unfinished copy of ${source}: run the same reseolio db copy command again to resume it`,
    { metadata: { [UNFINISHED_COPY]: source } },
  );
}

export function markerMoved(name: string): DaemonError {
  return new DaemonError(
    "failed_precondition",
    `another copy is writing to ${name}: wait until it has finished, or stop it and run this command again`,
  );
}

/** @param version of the schema of what is to be read */
export function refuseOldSource(name: string, version: number, newest: number): void {
  if (version === newest) return;
  throw new DaemonError(
    "failed_precondition",
    `${name} has schema version ${version}, but a copy needs version ${newest}: run reseolio db migrate first`,
  );
}
