/** Checkpoints and waits as rows of both stores, by the codec of each. */
import type { Checkpoint, PendingWait, StepError, WaitKind } from "../../core/checkpoint.ts";
import { orNull, type RowCodec, type StoredRow, type StoredValue } from "./job-rows.ts";
import { readKind, readOrder } from "./record-order.ts";

/** How many names one read of the index finds; the bytes of their values are counted before any value is read. */
export const NAMES_AHEAD = 256;

/** Columns of a checkpoint without its value, which follows them. */
export const CHECKPOINT_COLUMNS = "name, kind, error, timed_out, failures, recorded_at, place, gate, op";
/** Index of the first column after CHECKPOINT_COLUMNS and the value. */
export const BEHIND_CHECKPOINT = 10;
export const WAIT_COLUMNS = "name, kind, due_at, event_name, awaited_id, gate";

/** A row of CHECKPOINT_COLUMNS and the value, perhaps with more columns behind. */
export function checkpointFromRow(row: StoredRow, { textOf }: RowCodec): Checkpoint {
  return {
    name: textOf(row[0] as StoredValue),
    kind: readKind(row[1] as number, row[7] as number | null),
    error: row[2] === null ? null : (JSON.parse(row[2] as string) as StepError),
    timedOut: row[3] === true || row[3] === 1,
    failures: row[4] as number,
    recordedAt: row[5] as number,
    order: readOrder({ place: row[6] as number, gate: row[7] as number | null, op: row[8] as number | null }),
    value: row[9] as Uint8Array | null,
  };
}

/** A row of WAIT_COLUMNS with the awaited signal as the last column. */
export function waitFromRow(row: StoredRow, { idOf, textOf }: RowCodec): PendingWait {
  return {
    name: textOf(row[0] as StoredValue),
    kind: readKind(row[1] as number, row[5] as number | null) as WaitKind,
    dueAt: row[2] as number | null,
    eventName: orNull(row[3], textOf),
    awaitedJobId: orNull(row[4], idOf),
    signalName: orNull(row.at(-1), textOf),
  };
}

/** How many of these entries, names with the bytes of their values, fit into a page: at least one. */
export function fitting(ahead: readonly (readonly [string, number])[], maxBytes: number): number {
  let bytes = 0;
  for (const [index, [, size]] of ahead.entries()) {
    bytes += size;
    if (bytes > maxBytes && index > 0) return index;
  }
  return ahead.length;
}
