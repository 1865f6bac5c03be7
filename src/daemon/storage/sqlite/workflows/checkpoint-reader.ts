import type { Database } from "bun:sqlite";
import type { Checkpoint, OpenWait, PendingWait } from "../../../core/checkpoint.ts";
import {
  CHECKPOINT_COLUMNS,
  checkpointFromRow as fromRow,
  fitting,
  NAMES_AHEAD,
  WAIT_COLUMNS,
  waitFromRow as waitFrom,
} from "../../rows/checkpoint-rows.ts";
import { writeJobId } from "../../rows/job-id.ts";
import { readKind } from "../../rows/record-order.ts";
import type { CheckpointPage, CheckpointQuery, CheckpointSum } from "../../seam/workflows.ts";
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

/** Kinds 1, 2 and 5 are waits, signals included: the worker knows what it recorded itself. */
const IS_WANTED = `job_id = $jobId and recorded_at is not null and name > $afterName and
    ($sinceToken is null or (lease_token >= $sinceToken and kind in (1, 2, 5)))`;

const SIZES = `select name, coalesce(length(value), 0) from checkpoints
  where ${IS_WANTED} order by name limit ($limit + 0)`;

const VALUES = `select ${CHECKPOINT_COLUMNS}, value from checkpoints
  where ${IS_WANTED} and name <= $lastName order by name`;

const FEW = `select ${CHECKPOINT_COLUMNS}, value from checkpoints where ${IS_WANTED} order by name`;

const RECORDS = `select ${CHECKPOINT_COLUMNS}, null from checkpoints where job_id = ? and recorded_at is not null`;

const WAITS = `select ${WAIT_COLUMNS}, (
    select signal_name from wait_details
    where wait_details.job_id = checkpoints.job_id and wait_details.name = checkpoints.name
  ) from checkpoints
  where job_id = ? and recorded_at is null and wakes = 1`;

const IS_OPEN = "recorded_at is null";

const OPEN_WAITS = `select name, op, kind, gate, due_at from checkpoints where job_id = ? and ${IS_OPEN} order by name`;

const SUMS = `select count(*), count(*) filter (where ${IS_OPEN}), count(*) filter (where kind = 5),
    coalesce(sum(length(value)), 0)
  from checkpoints where job_id = ?`;

const ORDERED = "select 1 from checkpoints where job_id = ? and gate is not null limit 1";

/** Reads checkpoints, on the writer's connection or the readers' connection. */
export function prepareCheckpointReader(db: Database): CheckpointReader {
  return {
    page: preparePage(db),
    few: prepareFew(db),
    records: prepareRecords(db),
    waits: prepareWaitList(db),
    openWaits: prepareOpenWaits(db),
    sums: prepareSums(db),
    ordered: prepareOrdered(db),
  };
}

function preparePage(db: Database): CheckpointReader["page"] {
  const sizes = db.prepare(SIZES);
  const values = db.prepare(VALUES);
  const id = new Uint8Array(16);
  return ({ jobId, sinceToken, afterName, maxBytes }) => {
    if (!writeJobId(jobId, id)) return { checkpoints: [], next: null };
    const wanted = { $jobId: id, $afterName: afterName ?? "", $sinceToken: sinceToken };
    const ahead = sizes.values({ ...wanted, $limit: NAMES_AHEAD }) as [string, number][];
    const taken = fitting(ahead, maxBytes);
    const last = ahead[taken - 1]?.[0];
    if (last === undefined) return { checkpoints: [], next: null };
    const checkpoints = (values.values({ ...wanted, $lastName: last }) as Row[]).map(checkpointFromRow);
    return { checkpoints, next: taken < ahead.length || ahead.length === NAMES_AHEAD ? last : null };
  };
}

function prepareFew(db: Database): CheckpointReader["few"] {
  const whole = db.prepare(FEW);
  const id = new Uint8Array(16);
  return (queries) => {
    const found = new Map<string, readonly Checkpoint[]>();
    for (const { jobId, sinceToken } of queries) {
      if (!writeJobId(jobId, id)) continue;
      const rows = whole.values({ $jobId: id, $afterName: "", $sinceToken: sinceToken }) as Row[];
      if (rows.length > 0) found.set(jobId, rows.map(checkpointFromRow));
    }
    return found;
  };
}

function prepareRecords(db: Database): CheckpointReader["records"] {
  const records = db.prepare(RECORDS);
  const id = new Uint8Array(16);
  return (jobId, limit) => {
    if (!writeJobId(jobId, id)) return [];
    const rows = (records.values(id) as Row[]).sort(byRecording);
    return rows.slice(-limit).map(checkpointFromRow);
  };
}

function prepareWaitList(db: Database): CheckpointReader["waits"] {
  const waits = db.prepare(WAITS);
  const id = new Uint8Array(16);
  return (jobId) => (writeJobId(jobId, id) ? (waits.values(id) as Row[]).map(waitFromRow) : []);
}

/** name, op, kind, gate, due_at. */
type OpenWaitRow = readonly [string, number | null, number, number | null, number | null];

function prepareOpenWaits(db: Database): CheckpointReader["openWaits"] {
  const open = db.prepare(OPEN_WAITS);
  const id = new Uint8Array(16);
  return (jobIds) => {
    const found = new Map<string, readonly OpenWait[]>();
    for (const jobId of jobIds) {
      if (!writeJobId(jobId, id)) continue;
      const rows = open.values(id) as unknown as readonly OpenWaitRow[];
      if (rows.length > 0) found.set(jobId, rows.map(openWaitFromRow));
    }
    return found;
  };
}

function openWaitFromRow([name, op, kind, gate, dueAt]: OpenWaitRow): OpenWait {
  return { name, op: op ?? 0, kind: readKind(kind, gate), dueAt };
}

function prepareSums(db: Database): CheckpointReader["sums"] {
  const sum = db.prepare(SUMS);
  const id = new Uint8Array(16);
  return (jobIds) => {
    const sums = new Map<string, CheckpointSum>();
    for (const jobId of jobIds) {
      if (!writeJobId(jobId, id)) continue;
      const [count, open, awaited, bytes] = sum.values(id)[0] as [number, number, number, number];
      if (count > 0) sums.set(jobId, { count, open, awaited, bytes });
    }
    return sums;
  };
}

function prepareOrdered(db: Database): CheckpointReader["ordered"] {
  const isOrdered = db.prepare(ORDERED);
  const id = new Uint8Array(16);
  return (jobIds) => new Set(jobIds.filter((jobId) => writeJobId(jobId, id) && isOrdered.values(id).length > 0));
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
