import type { CheckpointKind } from "../../../core/checkpoint.ts";
import { judgeRecord } from "../../../core/record-conflict.ts";
import { jobIdBytes, writeJobId } from "../../rows/job-id.ts";
import { kindOf } from "../../rows/job-rows.ts";
import { ENDED_ATTEMPT, kindSql, OF_RECORD, OTHER_KIND, storedOrder } from "../../rows/record-order.ts";
import type { NamesOfJob, NewCheckpoint, RecordOutcome } from "../../seam/workflows.ts";
import type { Row } from "../connection/rows.ts";
import type { WriteSession } from "../session/write-session.ts";

export interface RecordCheckpoints {
  record(items: readonly NewCheckpoint[]): readonly RecordOutcome[];
  findKinds(items: readonly NamesOfJob[]): readonly ReadonlyMap<string, CheckpointKind>[];
}

const COLUMNS = "job_id, name, kind, place, lease_token, value, error, failures, recorded_at, gate, op, awaited_id";

const IS_LEASED = "exists (select 1 from jobs where id = ?1 and state = 1 and lease_token = ?5)";

/** SQL condition: the row that prevented the insert, of the same kind. */
const KNOWN = `job_id = ?1 and name = ?2 and kind = ?3 and (coalesce(gate, 0) & ${OTHER_KIND}) = (coalesce(?10, 0) & ${OTHER_KIND})`;

/** Records that are replaced: a wait that its worker saw end, a failure that was retried, attempts of a step. */
const GIVES_WAY = `case
    when recorded_at is null then true
    when gate is null then error is not null and failures <> ?8
    else (gate & ${ENDED_ATTEMPT}) <> 0 or (kind = 0 and (gate & ${OTHER_KIND}) <> 0)
  end`;

/** Numbered parameters: named ones cost 3 to 6 % of a statement. */
const RECORD = `insert into checkpoints (${COLUMNS})
  select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12 where ${IS_LEASED}
  on conflict do nothing`;

const REPLACE = `update checkpoints set lease_token = ?5, value = ?6, error = ?7, failures = ?8, recorded_at = ?9, place = ?4,
    gate = ?10, op = ?11, awaited_id = coalesce(?12, awaited_id)
  where ${KNOWN} and ${IS_LEASED} and ${GIVES_WAY}`;

/** Keeps its value: only its place was not known. */
const SET_PLACE = `update checkpoints
  set place = ?4, gate = ?10 | (gate & ${OF_RECORD}), op = ?11, awaited_id = coalesce(?12, awaited_id)
  where ${KNOWN} and gate is not null and place = 0 and ?10 is not null and ?4 > 0`;

const KIND = `select ${kindSql("checkpoints")} from checkpoints where job_id = ? and name = ?`;

const LEASED = "select 1 from jobs where id = ? and state = 1 and lease_token = ?";

export function prepareRecordCheckpoints(session: WriteSession): RecordCheckpoints {
  const { db } = session;
  const insert = db.prepare(RECORD);
  const replace = db.prepare(REPLACE);
  const setPlace = db.prepare(SET_PLACE);
  const kindAt = db.prepare(KIND);
  const leased = db.prepare(LEASED);
  const id = new Uint8Array(16);

  function recordOne(item: NewCheckpoint, now: number): RecordOutcome {
    if (!writeJobId(item.jobId, id)) return STALE;
    const row = rowOf(item, id, now);
    if (insert.run(...row).changes === 1) return NEW;
    if (leased.values(id, item.leaseToken).length === 0) return STALE;
    if (replace.run(...row).changes === 1 || setPlace.run(...row).changes === 1) return CHANGED;
    return judgeRecord(item.kind, kindOf((kindAt.values(id, item.name)[0] as Row)[0] as number));
  }

  return {
    record: (items) => items.map((item) => recordOne(item, session.now)),
    findKinds: (items) =>
      items.map(({ jobId, names }) => {
        const kinds = new Map<string, CheckpointKind>();
        if (!writeJobId(jobId, id)) return kinds;
        for (const name of names) {
          const row = kindAt.values(id, name)[0] as Row | undefined;
          if (row !== undefined) kinds.set(name, kindOf(row[0] as number));
        }
        return kinds;
      }),
  };
}

/** Values in the order of COLUMNS. */
function rowOf(item: NewCheckpoint, id: Uint8Array, now: number) {
  const { kind, place, gate, op } = storedOrder(item.kind, item.order, item.place);
  const error = item.error === null ? null : JSON.stringify(item.error);
  const awaitedId = item.awaitedJobId === null ? null : jobIdBytes(item.awaitedJobId);
  const { name, leaseToken, value, failures } = item;
  return [id, name, kind, place, leaseToken, value, error, failures, now, gate, op, awaitedId] as const;
}

const NEW: RecordOutcome = { kind: "recorded", isNew: true };
const CHANGED: RecordOutcome = { kind: "recorded", isNew: false };
const STALE: RecordOutcome = { kind: "stale" };
