import { awaitedJobName, type FailureMarks, type RecordRef } from "../../../core/checkpoint.ts";
import type { Transition } from "../../../core/job-machine.ts";
import { isTerminal } from "../../../core/job.ts";
import { ORDERED_SINCE } from "../../copy/copy-tables.ts";
import { KIND_CODES, STATE_CODES } from "../../rows/codes.ts";
import { jobIdBytes, jobIdText, writeJobId } from "../../rows/job-id.ts";
import { ENDED_ATTEMPT, loosenedGateSql, NO_FLAGS, OTHER_KIND, storedOp } from "../../rows/record-order.ts";
import { IS_UNDO } from "../connection/rows.ts";
import type { WriteSession } from "../session/write-session.ts";

const ENDED_BADLY = `state in (${STATE_CODES.DEAD}, ${STATE_CODES.CANCELLED})`;

export interface FailedRecords {
  /** What the failure of an attempt makes of the job's records. */
  mark(transition: Transition): void;
  /** Lets what failed be tried again, when a person asked for it and all of that act is applied. */
  forget(jobId: string, now: number): void;
  forgetAwaited(jobId: string, awaitedBy: string): boolean;
}

export function prepareFailedRecords({ db }: WriteSession): FailedRecords {
  // A job that is tried again gives them other places; one that ended keeps them, for an undo replays them.
  const loosen = db.prepare(
    `update checkpoints set place = 0, gate = ${loosenedGateSql("")} | ?3, op = ?4
     where job_id = ?1 and name = ?2`,
  );
  const flag = db.prepare(
    "update checkpoints set gate = gate | ?3, op = ?4 where job_id = ?1 and name = ?2 and gate is not null",
  );
  // A wait whose time was over waits again.
  const isTimeout = `(timed_out = 1 and (gate & ${ENDED_ATTEMPT}) <> 0)`;
  const forgetTimeouts = db.prepare(`delete from checkpoints where job_id = ?1 and ${isTimeout}`);
  // With the pauses between a step's attempts, which would count as attempts made.
  const forgetErrors = db.prepare(
    `delete from checkpoints where job_id = ?1 and (
       (gate is null and error is not null) or ${isTimeout}
       or (op is null and kind = 1 and name like '%/retry-%')
       or (kind = 0 and (gate & ${OTHER_KIND}) <> 0)
     )`,
  );
  const loosenLast = db.prepare(
    `update checkpoints set place = 0, gate = ${loosenedGateSql("")}
     where job_id = ?1 and gate is not null and place >= (
       select min(place) from checkpoints where job_id = ?1 and place > 0 and (gate & ${ENDED_ATTEMPT}) <> 0
     )`,
  );
  const isOrdered = db.prepare(
    `select 1 from jobs
     where id = ?1 and created_at >= coalesce((select value + 0 from meta where key = '${ORDERED_SINCE}'), 0)
       and exists (select 1 from checkpoints where job_id = ?1 and gate is not null)`,
  );
  // A child is found by a key that begins with its parent's id: one that ended badly is to be called anew.
  const forgetChildren = db.prepare(
    `update jobs set idempotency_key = null where parent_id = ?1 and ${ENDED_BADLY} and idempotency_key glob ?2 || ':*'`,
  );
  const badChildren = db.prepare(
    `select id, error from jobs where parent_id = ? and ${ENDED_BADLY} and ${IS_UNDO} is not 1`,
  );
  // Or to be retried by its parent, unless its failure is a fact that the handler went on from.
  const failChild = db.prepare(
    `insert into checkpoints (job_id, name, kind, place, recorded_at, awaited_id, error, gate)
     values (?, ?, ${KIND_CODES.job}, 0, ?, ?, ?, ${NO_FLAGS | ENDED_ATTEMPT})
     on conflict do update set error = excluded.error, gate = gate | ${ENDED_ATTEMPT}
     where kind = excluded.kind and place = 0 and gate is not null`,
  );
  const endedBy = `job_id = ?1 and (gate & ${ENDED_ATTEMPT}) <> 0`;
  const isEndedBy = db.prepare(`select 1 from checkpoints where ${endedBy} and name = ?2`);
  const forgetEndedBy = db.prepare(`delete from checkpoints where ${endedBy} and (name = ?2 or awaited_id = ?3)`);
  const id = new Uint8Array(16);

  function markAll({ endedBy, loosened }: FailureMarks, hasEnded: boolean): void {
    const statement = hasEnded ? flag : loosen;
    const run = (refs: readonly RecordRef[], flags: number): void => {
      for (const { name, op } of refs) statement.run(id, name, flags, storedOp(op));
    };
    run(loosened, 0);
    run(endedBy, ENDED_ATTEMPT);
    if (!hasEnded && endedBy.length > 0) forgetTimeouts.run(id);
  }

  function failChildren(now: number): void {
    for (const [childId, error] of badChildren.values(id) as [Uint8Array, string | null][]) {
      failChild.run(id, awaitedJobName(jobIdText(childId)), now, childId, error);
    }
  }

  return {
    mark({ jobId, change }) {
      if (change.marks !== undefined && writeJobId(jobId, id)) markAll(change.marks, isTerminal(change.state));
    },
    forget(jobId, now) {
      if (!writeJobId(jobId, id)) return;
      // In this order: an ordered job is known by its records, and a child's failure that lost its place is no fact any more.
      loosenLast.run(id);
      if (isOrdered.values(id).length > 0) failChildren(now);
      else forgetChildren.run(id, jobId);
      forgetErrors.run(id);
    },
    forgetAwaited(jobId, awaitedBy) {
      const awaitedId = jobIdBytes(jobId);
      const name = awaitedJobName(jobIdText(awaitedId));
      if (!writeJobId(awaitedBy, id) || isEndedBy.values(id, name).length === 0) return false;
      forgetEndedBy.run(id, name, awaitedId);
      return true;
    },
  };
}
