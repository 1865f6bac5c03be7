import type { Database } from "bun:sqlite";
import type { Checkpoint, PendingWait, OpenWait } from "../../../core/checkpoint.ts";
import {
  CHECKPOINT_COLUMNS,
  checkpointFromRow as fromRow,
  fitting,
  NAMES_AHEAD,
  WAIT_COLUMNS,
  waitFromRow as waitFrom,
} from "../../rows/checkpoint-rows.ts";
import type { CheckpointPage, CheckpointQuery, CheckpointSum } from "../../seam/workflows.ts";
import { writeJobId } from "../../rows/job-id.ts";
import { readKind } from "../../rows/record-order.ts";
import { type Row, SQLITE_CODEC } from "../connection/rows.ts";

export interface CheckpointReader {
  page(query: CheckpointQuery): CheckpointPage;
  few(queries: readonly Pick<CheckpointQuery, "jobId" | "sinceToken">[]): ReadonlyMap<string, readonly Checkpoint[]>;
  records(jobId: string, limit: number): readonly Checkpoint[];
  waits(jobId: string): readonly PendingWait[];
  openWaits(jobIds: readonly string[]): ReadonlyMap<string, readonly OpenWait[]>;
  sums(jobIds: readonly string[]): ReadonlyMap<string, CheckpointSum>;
  ordered(jobIds: readonly string[]): ReadonlySet<string>;
}

/** Reads of checkpoints, on the writer's connection or on the readers' one. */
export function prepareCheckpointReader(db: Database): CheckpointReader {
  const columns = CHECKPOINT_COLUMNS;
  // Kinds 1, 2 and 5 are waits, signals among them: what the worker recorded itself it knows.
  const isWanted = `job_id = ? and recorded_at is not null and name > ? and
     (? is null or (lease_token >= ? and kind in (1, 2, 5)))`;
  const sizes = db.prepare(
    `select name, coalesce(length(value), 0) from checkpoints where ${isWanted} order by name limit (? + 0)`,
  );
  const values = db.prepare(`select ${columns}, value from checkpoints where ${isWanted} and name <= ? order by name`);
  const whole = db.prepare(`select ${columns}, value from checkpoints where ${isWanted} order by name`);
  const records = db.prepare(`select ${columns}, null from checkpoints where job_id = ? and recorded_at is not null`);
  const waits = db.prepare(
    `select ${WAIT_COLUMNS}, (
       select signal_name from wait_details
       where wait_details.job_id = checkpoints.job_id and wait_details.name = checkpoints.name
     ) from checkpoints
     where job_id = ? and recorded_at is null and wakes = 1`,
  );
  const isOpen = "recorded_at is null";
  const sum = db.prepare(
    `select count(*), count(*) filter (where ${isOpen}), count(*) filter (where kind = 5),
       coalesce(sum(length(value)), 0)
     from checkpoints where job_id = ?`,
  );
  const open = db.prepare(
    `select name, op, kind, gate, due_at from checkpoints where job_id = ? and ${isOpen} order by name`,
  );
  const isOrdered = db.prepare("select 1 from checkpoints where job_id = ? and gate is not null limit 1");
  const id = new Uint8Array(16);

  return {
    page({ jobId, sinceToken, afterName, maxBytes }) {
      if (!writeJobId(jobId, id)) return { checkpoints: [], next: null };
      const wanted = [id, afterName ?? "", sinceToken, sinceToken] as const;
      const ahead = sizes.values(...wanted, NAMES_AHEAD) as [string, number][];
      const taken = fitting(ahead, maxBytes);
      const last = ahead[taken - 1]?.[0];
      if (last === undefined) return { checkpoints: [], next: null };
      const checkpoints = (values.values(...wanted, last) as Row[]).map(checkpointFromRow);
      return { checkpoints, next: taken < ahead.length || ahead.length === NAMES_AHEAD ? last : null };
    },
    few(queries) {
      const found = new Map<string, readonly Checkpoint[]>();
      for (const { jobId, sinceToken } of queries) {
        if (!writeJobId(jobId, id)) continue;
        const rows = whole.values(id, "", sinceToken, sinceToken) as Row[];
        if (rows.length > 0) found.set(jobId, rows.map(checkpointFromRow));
      }
      return found;
    },
    records(jobId, limit) {
      if (!writeJobId(jobId, id)) return [];
      const rows = (records.values(id) as Row[]).sort(byRecording);
      return rows.slice(-limit).map(checkpointFromRow);
    },
    waits: (jobId) => (writeJobId(jobId, id) ? (waits.values(id) as Row[]).map(waitFromRow) : []),
    openWaits(jobIds) {
      const found = new Map<string, readonly OpenWait[]>();
      for (const jobId of jobIds) {
        if (!writeJobId(jobId, id)) continue;
        const rows = open.values(id) as [string, number | null, number, number | null, number | null][];
        if (rows.length > 0)
          found.set(
            jobId,
            rows.map(([name, op, kind, gate, dueAt]) => ({ name, op: op ?? 0, kind: readKind(kind, gate), dueAt })),
          );
      }
      return found;
    },
    sums(jobIds) {
      const sums = new Map<string, CheckpointSum>();
      for (const jobId of jobIds) {
        if (!writeJobId(jobId, id)) continue;
        const [count, open, awaited, bytes] = sum.values(id)[0] as [number, number, number, number];
        if (count > 0) sums.set(jobId, { count, open, awaited, bytes });
      }
      return sums;
    },
    ordered: (jobIds) => new Set(jobIds.filter((jobId) => writeJobId(jobId, id) && isOrdered.values(id).length > 0)),
  };
}

const RECORDED_AT = 5;
const PLACE = 6;

function byRecording(left: Row, right: Row): number {
  return (
    (left[RECORDED_AT] as number) - (right[RECORDED_AT] as number) || (left[PLACE] as number) - (right[PLACE] as number)
  );
}

function checkpointFromRow(row: Row): Checkpoint {
  return fromRow(row, SQLITE_CODEC);
}

function waitFromRow(row: Row): PendingWait {
  return waitFrom(row, SQLITE_CODEC);
}
