import type { Database } from "bun:sqlite";
import { awaitedJobName, type FailureMarks, type RecordRef } from "../../../core/checkpoint.ts";
import type { Transition } from "../../../core/job-machine.ts";
import { isTerminal } from "../../../core/job.ts";
import { ORDERED_SINCE } from "../../copy/copy-tables.ts";
import { jobIdBytes, jobIdText, writeJobId } from "../../rows/job-id.ts";
import { KIND_CODES, STATE_CODES } from "../../rows/job-rows.ts";
import { ENDED_ATTEMPT, loosenedGateSql, NO_FLAGS, OTHER_KIND, storedOp, TRIED_WAIT } from "../../rows/record-order.ts";
import type { AwaitedJob } from "../../seam/workflows.ts";
import { IS_UNDO } from "../connection/rows.ts";
import type { WriteSession } from "../session/write-session.ts";

const ENDED_BADLY = `state in (${STATE_CODES.DEAD}, ${STATE_CODES.CANCELLED})`;

/** A job that is retried gives records new places; one that ended keeps them, because an undo replays them. */
const LOOSEN = `update checkpoints set place = 0, gate = ${loosenedGateSql("")} | $flags, op = $op
  where job_id = $jobId and name = $name`;

const MARK = `update checkpoints set gate = gate | $flags, op = $op
  where job_id = $jobId and name = $name and gate is not null`;

/** A wait that timed out and so ended an attempt waits again. */
const IS_TIMEOUT = `(timed_out = 1 and (gate & ${ENDED_ATTEMPT}) <> 0)`;

/** Those of an earlier timeout. */
const FORGET_TRIES = `delete from checkpoints where job_id = ?1 and name in (
    select name || '/tries' from checkpoints where job_id = ?1 and ${IS_TIMEOUT}
  )`;

/** Its operation stays known: another one of its name would take its place in the retry. */
const TRY_AGAIN = `update checkpoints set ${TRIED_WAIT}, timed_out = 0 where job_id = ?1 and ${IS_TIMEOUT}`;

/** Includes the pauses between a step's attempts, which would count as attempts made. */
const FORGET_ERRORS = `delete from checkpoints where job_id = ?1 and (
    (gate is null and error is not null) or ${IS_TIMEOUT}
    or (op is null and kind = 1 and name like '%/retry-%')
    or (kind = 0 and (gate & ${OTHER_KIND}) <> 0)
  )`;

const LOOSEN_LAST = `update checkpoints set place = 0, gate = ${loosenedGateSql("")}
  where job_id = ?1 and gate is not null and place >= (
    select min(place) from checkpoints where job_id = ?1 and place > 0 and (gate & ${ENDED_ATTEMPT}) <> 0
  )`;

const IS_ORDERED = `select 1 from jobs
  where id = ?1 and created_at >= coalesce((select value + 0 from meta where key = '${ORDERED_SINCE}'), 0)
    and exists (select 1 from checkpoints where job_id = ?1 and gate is not null)`;

/** A child is found by a key that begins with its parent's id: one that ended badly has to be called again. */
const FORGET_CHILDREN = `update jobs set idempotency_key = null
  where parent_id = ?1 and ${ENDED_BADLY} and idempotency_key glob ?2 || ':*'`;

const BAD_CHILDREN = `select id, error from jobs where parent_id = ? and ${ENDED_BADLY} and ${IS_UNDO} is not 1`;

/** A child that ended badly is retried by its parent, unless the handler has handled its failure. */
const FAIL_CHILD = `insert into checkpoints (job_id, name, kind, place, recorded_at, awaited_id, error, gate)
  values ($jobId, $name, ${KIND_CODES.job}, 0, $now, $childId, $error, ${NO_FLAGS | ENDED_ATTEMPT})
  on conflict do update set error = excluded.error, gate = gate | ${ENDED_ATTEMPT}
  where kind = excluded.kind and place = 0 and gate is not null`;

const ENDED_AN_ATTEMPT = `job_id = ?1 and (gate & ${ENDED_ATTEMPT}) <> 0`;

const IS_AWAITED = `select 1 from checkpoints where ${ENDED_AN_ATTEMPT} and name = ?2`;

const FORGET_AWAITED = `delete from checkpoints where ${ENDED_AN_ATTEMPT} and (name = ?2 or awaited_id = ?3)`;

export interface FailedRecords {
  /** Updates the records of a job whose attempt failed. */
  mark(transition: Transition): void;
  /** Makes failed operations run again after a manual retry; called when all of its transitions are applied. */
  forget(jobId: string, now: number): void;
  forgetAwaited(awaited: AwaitedJob): boolean;
}

export function prepareFailedRecords({ db }: WriteSession): FailedRecords {
  return { mark: prepareMark(db), forget: prepareForget(db), forgetAwaited: prepareForgetAwaited(db) };
}

function prepareMark(db: Database): FailedRecords["mark"] {
  const loosen = db.prepare(LOOSEN);
  const flag = db.prepare(MARK);
  const forgetTries = db.prepare(FORGET_TRIES);
  const tryAgain = db.prepare(TRY_AGAIN);
  const id = new Uint8Array(16);

  function markAll({ endedBy, loosened }: FailureMarks, hasEnded: boolean): void {
    const statement = hasEnded ? flag : loosen;
    const run = (refs: readonly RecordRef[], flags: number): void => {
      for (const { name, op } of refs) statement.run({ $jobId: id, $name: name, $flags: flags, $op: storedOp(op) });
    };
    run(loosened, 0);
    run(endedBy, ENDED_ATTEMPT);
    if (hasEnded || endedBy.length === 0) return;
    forgetTries.run(id);
    tryAgain.run(id);
  }

  return ({ jobId, change }) => {
    if (change.marks !== undefined && writeJobId(jobId, id)) markAll(change.marks, isTerminal(change.state));
  };
}

function prepareForget(db: Database): FailedRecords["forget"] {
  const loosenLast = db.prepare(LOOSEN_LAST);
  const isOrdered = db.prepare(IS_ORDERED);
  const forgetChildren = db.prepare(FORGET_CHILDREN);
  const badChildren = db.prepare(BAD_CHILDREN);
  const failChild = db.prepare(FAIL_CHILD);
  const forgetErrors = db.prepare(FORGET_ERRORS);
  const id = new Uint8Array(16);

  function failChildren(now: number): void {
    for (const [childId, error] of badChildren.values(id) as [Uint8Array, string | null][]) {
      const name = awaitedJobName(jobIdText(childId));
      failChild.run({ $jobId: id, $name: name, $now: now, $childId: childId, $error: error });
    }
  }

  return (jobId, now) => {
    if (!writeJobId(jobId, id)) return;
    // The order matters: records tell an ordered job, and a child's failure without a place can be retried.
    loosenLast.run(id);
    if (isOrdered.values(id).length > 0) failChildren(now);
    else forgetChildren.run(id, jobId);
    forgetErrors.run(id);
  };
}

function prepareForgetAwaited(db: Database): FailedRecords["forgetAwaited"] {
  const isAwaited = db.prepare(IS_AWAITED);
  const forget = db.prepare(FORGET_AWAITED);
  const id = new Uint8Array(16);
  return ({ jobId, awaitedBy }) => {
    const awaitedId = jobIdBytes(jobId);
    const name = awaitedJobName(jobIdText(awaitedId));
    if (!writeJobId(awaitedBy, id) || isAwaited.values(id, name).length === 0) return false;
    forget.run(id, name, awaitedId);
    return true;
  };
}
