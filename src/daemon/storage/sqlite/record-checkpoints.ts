import type { CheckpointKind } from "../../core/checkpoint.ts";
import type { CheckpointToStore, NamesOfJob, RecordOutcome } from "../checkpoint-store.ts";
import { KIND_CODES, kindOf } from "../codes.ts";
import { writeJobId } from "../job-id.ts";
import type { Row } from "./rows.ts";
import type { WriteSession } from "./write-session.ts";

export interface RecordCheckpoints {
  record(items: readonly CheckpointToStore[], now: number): readonly RecordOutcome[];
  findKinds(items: readonly NamesOfJob[]): readonly ReadonlyMap<string, CheckpointKind>[];
}

export function prepareRecordCheckpoints({ db }: WriteSession): RecordCheckpoints {
  const isLeased = "exists (select 1 from jobs where id = ?1 and state = 1 and lease_token = ?5)";
  const insert = db.prepare(
    `insert into checkpoints (job_id, name, kind, place, lease_token, value, error, failures, recorded_at)
     select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 where ${isLeased}
     on conflict do nothing`,
  );
  // A wait that its worker saw end, or a step that was tried again since an attempt has failed.
  const replace = db.prepare(
    `update checkpoints set lease_token = ?5, value = ?6, error = ?7, failures = ?8, recorded_at = ?9, place = ?4
     where job_id = ?1 and name = ?2 and kind = ?3 and ${isLeased}
       and (recorded_at is null or (error is not null and failures <> ?8))`,
  );
  const kindAt = db.prepare("select kind from checkpoints where job_id = ? and name = ?");
  const leased = db.prepare("select 1 from jobs where id = ? and state = 1 and lease_token = ?");
  const id = new Uint8Array(16);

  function recordOne(item: CheckpointToStore, now: number): RecordOutcome {
    if (!writeJobId(item.jobId, id)) return STALE;
    const { name, kind, place, leaseToken, value, failures } = item;
    const error = item.error === null ? null : JSON.stringify(item.error);
    const row = [id, name, KIND_CODES[kind], place, leaseToken, value, error, failures, now] as const;
    if (insert.run(...row).changes === 1) return RECORDED;
    if (leased.values(id, leaseToken).length === 0) return STALE;
    if (replace.run(...row).changes === 1) return RECORDED;
    const known = kindOf((kindAt.values(id, name)[0] as Row)[0] as number);
    return known === kind ? REPEATED : { kind: "conflict", known };
  }

  return {
    record: (items, now) => items.map((item) => recordOne(item, now)),
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

const RECORDED: RecordOutcome = { kind: "recorded" };
const REPEATED: RecordOutcome = { kind: "repeated" };
const STALE: RecordOutcome = { kind: "stale" };
