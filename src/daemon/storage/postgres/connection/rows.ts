import { NO_BYTES } from "#proto/contract.ts";
import type { Job } from "../../../core/job.ts";
import {
  JOB_COLUMN_NAMES,
  jobFromRow as fromRow,
  LISTED_JOB_COLUMN_NAMES,
  type RowCodec,
  UNDO_MARK,
} from "../../rows/job-rows.ts";
import { readText } from "./literals.ts";

/** A value as the driver reads it: numbers of every width, text, uuid as text, bytea. */
export type Value = number | string | boolean | Uint8Array | null;
/** A new array for each read. */
export type Row = readonly Value[];

/** A whole job; of a table or alias named `job`. */
export const JOB_COLUMNS = JOB_COLUMN_NAMES.map((name) => `job.${name}`).join(", ");
/** Whether a job undoes another one's steps; perhaps null for no. */
export const isUndo = (headers: string): string => `starts_with(${headers}, '${UNDO_MARK}')`;
export const IS_UNDO = isUndo("job.headers");
const LISTED = LISTED_JOB_COLUMN_NAMES.map((name) => `job.${name}`);
/** A job without args, result and headers: what a transaction decides by. */
export const SNAPSHOT_COLUMNS = [...LISTED, IS_UNDO, "null", "null", "job.ran_ms"].join(", ");
/** A job without columns that may be large. */
export const LISTED_JOB_COLUMNS = [...LISTED, IS_UNDO].join(", ");

/** Index of the function's number. */
export const FUNCTION_ID = LISTED_JOB_COLUMN_NAMES.indexOf("function_id");

/** Ids come as text, and text has no zero character. */
export const POSTGRES_CODEC: RowCodec = {
  idOf: (stored) => stored as string,
  textOf: (stored) => readText(stored as string),
};

const noArgs = (): Uint8Array => NO_BYTES;

/** @param nameOf the name of a function's number */
export function jobFromRow(row: Row, nameOf: (functionId: number) => string): Job {
  return fromRow(row, POSTGRES_CODEC, nameOf, noArgs);
}
