import type { Database } from "bun:sqlite";
import type { Checkpoint, StepError, WaitKind } from "../../core/checkpoint.ts";
import type { PendingWait } from "../../core/checkpoint.ts";
import type { CheckpointPage, CheckpointQuery, CheckpointSum } from "../checkpoint-store.ts";
import { kindOf } from "../codes.ts";
import { jobIdText, writeJobId } from "../job-id.ts";
import type { Row } from "./rows.ts";

/** Names that one look at the index finds; the bytes of their values are counted before any value is read. */
const NAMES_AHEAD = 256;

export interface CheckpointReader {
  page(query: CheckpointQuery): CheckpointPage;
  few(queries: readonly Pick<CheckpointQuery, "jobId" | "sinceToken">[]): ReadonlyMap<string, readonly Checkpoint[]>;
  records(jobId: string, limit: number): readonly Checkpoint[];
  waits(jobId: string): readonly PendingWait[];
  sums(jobIds: readonly string[]): ReadonlyMap<string, CheckpointSum>;
}

/** Reads of checkpoints, on the writer's connection or on the readers' one. */
export function prepareCheckpointReader(db: Database): CheckpointReader {
  const columns = "name, kind, error, timed_out, failures, recorded_at";
  // Kinds 1, 2 and 5 are waits: what the worker recorded itself it knows.
  const isWanted = `job_id = ? and recorded_at is not null and name > ? and
     (? is null or (lease_token >= ? and kind in (1, 2, 5)))`;
  const sizes = db.prepare(
    `select name, coalesce(length(value), 0) from checkpoints where ${isWanted} order by name limit (? + 0)`,
  );
  const values = db.prepare(`select ${columns}, value from checkpoints where ${isWanted} and name <= ? order by name`);
  const whole = db.prepare(`select ${columns}, value from checkpoints where ${isWanted} order by name`);
  const records = db.prepare(
    `select ${columns}, null, place from checkpoints where job_id = ? and recorded_at is not null`,
  );
  const waits = db.prepare(
    `select name, kind, due_at, event_name, awaited_id from checkpoints
     where job_id = ? and recorded_at is null and wakes = 1`,
  );
  const sum = db.prepare("select count(*), coalesce(sum(length(value)), 0) from checkpoints where job_id = ?");
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
    sums(jobIds) {
      const sums = new Map<string, CheckpointSum>();
      for (const jobId of jobIds) {
        if (!writeJobId(jobId, id)) continue;
        const [count, bytes] = sum.values(id)[0] as [number, number];
        if (count > 0) sums.set(jobId, { count, bytes });
      }
      return sums;
    },
  };
}

/** At least one. */
function fitting(ahead: readonly (readonly [string, number])[], maxBytes: number): number {
  let bytes = 0;
  for (const [place, [, size]] of ahead.entries()) {
    bytes += size;
    if (bytes > maxBytes && place > 0) return place;
  }
  return ahead.length;
}

const RECORDED_AT = 5;
const PLACE = 7;

function byRecording(left: Row, right: Row): number {
  return (
    (left[RECORDED_AT] as number) - (right[RECORDED_AT] as number) || (left[PLACE] as number) - (right[PLACE] as number)
  );
}

function checkpointFromRow(row: Row): Checkpoint {
  return {
    name: row[0] as string,
    kind: kindOf(row[1] as number),
    error: row[2] === null ? null : (JSON.parse(row[2] as string) as StepError),
    timedOut: row[3] === 1,
    failures: row[4] as number,
    recordedAt: row[RECORDED_AT] as number,
    value: row[6] as Uint8Array | null,
  };
}

function waitFromRow(row: Row): PendingWait {
  return {
    name: row[0] as string,
    kind: kindOf(row[1] as number) as WaitKind,
    dueAt: row[2] as number | null,
    eventName: row[3] as string | null,
    awaitedJobId: row[4] === null ? null : jobIdText(row[4] as Uint8Array),
  };
}
