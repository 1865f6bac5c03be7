import type { Database } from "bun:sqlite";
import { jobIdText } from "../../rows/job-id.ts";
import { JOB_COLUMN_NAMES, LISTED_JOB_COLUMN_NAMES, type RowCodec, UNDO_MARK } from "../../rows/job-rows.ts";

/**
 * A prepared statement, made once and used until the store closes. Statements that find jobs by a number or have a limit
 * say `(? + 0)`: because of the partial indexes, SQLite looks at the value of a bare parameter there, and prepares the
 * statement again for each run, which costs ten times as much as finding a job.
 */
export type Query = ReturnType<Database["prepare"]>;
/** A value as bun:sqlite reads and binds it. */
export type Value = number | string | Uint8Array | null;
/** A new array for each read: the caller may change it. */
export type Row = Value[];

/** A whole job; `args` is null when they are in large_args. */
export const JOB_COLUMNS = JOB_COLUMN_NAMES.join(", ");
/** Whether a job undoes another one's steps; perhaps null for no. */
export const isUndo = (headers: string): string => `(substr(${headers}, 1, ${UNDO_MARK.length}) = '${UNDO_MARK}')`;
export const IS_UNDO = isUndo("headers");
/** A job without args, result and headers: what a transaction decides by. */
export const SNAPSHOT_COLUMNS = [...LISTED_JOB_COLUMN_NAMES, IS_UNDO, "null", "null", "ran_ms"].join(", ");
/** A job without columns that may be large, and without those after them in the row. */
export const LISTED_JOB_COLUMNS = [...LISTED_JOB_COLUMN_NAMES, IS_UNDO].join(", ");

/** Ids are their 16 bytes, text is text. */
export const SQLITE_CODEC: RowCodec = { idOf: jobIdText as RowCodec["idOf"], textOf: String };
