import { awaitedJobName, type RecordRef } from "../../../core/checkpoint.ts";
import type { Transition } from "../../../core/job-machine.ts";
import { isTerminal } from "../../../core/job.ts";
import { ORDERED_SINCE } from "../../copy/copy-tables.ts";
import { KIND_CODES, STATE_CODES } from "../../rows/job-rows.ts";
import { ENDED_ATTEMPT, loosenedGateSql, NO_FLAGS, OTHER_KIND, storedOp, TRIED_WAIT } from "../../rows/record-order.ts";
import type { AwaitedJob } from "../../seam/workflows.ts";
import { booleanArray, numberArray, textArray, uuidArray } from "../connection/literals.ts";
import { isUndo } from "../connection/rows.ts";
import { distinctIds } from "../session/job-reader.ts";
import type { WriteSession } from "../session/write-session.ts";

/** A job that is retried gives records new places; one that ended keeps them, because an undo replays them. */
const MARK = `update reseolio.checkpoints as record
  set op = given.op,
    place = case when given.stays then record.place else 0 end,
    gate = case when given.stays then record.gate else ${loosenedGateSql("record.")} end | given.flags
  from unnest($1::uuid[], $2::text[], $3::bigint[], $4::int[], $5::bool[]) as given (job_id, name, op, flags, stays)
  where record.job_id = given.job_id and record.name = given.name and (record.gate is not null or not given.stays)`;

/** A wait that timed out and so ended an attempt waits again. */
const IS_TIMEOUT = `(timed_out and (gate & ${ENDED_ATTEMPT}) <> 0)`;

/** Those of an earlier timeout. */
const FORGET_TRIES = `delete from reseolio.checkpoints where (job_id, name) in (
    select job_id, name || '/tries' from reseolio.checkpoints where job_id = any ($1::uuid[]) and ${IS_TIMEOUT}
  )`;

/** Its operation stays known: another one of its name would take its place in the retry. */
const TRY_AGAIN = `update reseolio.checkpoints set ${TRIED_WAIT}, timed_out = false
  where job_id = any ($1::uuid[]) and ${IS_TIMEOUT}`;

/** Includes the pauses between a step's attempts, which would count as attempts made. */
const FORGET_ERRORS = `delete from reseolio.checkpoints
  where job_id = any ($1::uuid[]) and (
    (gate is null and error is not null) or ${IS_TIMEOUT}
    or (op is null and kind = 1 and name like '%/retry-%')
    or (kind = 0 and (gate & ${OTHER_KIND}) <> 0)
  )`;

const LOOSEN_LAST = `update reseolio.checkpoints as record set place = 0, gate = ${loosenedGateSql("record.")}
  from (
    select job_id, min(place) as place from reseolio.checkpoints
    where job_id = any ($1::uuid[]) and place > 0 and (gate & ${ENDED_ATTEMPT}) <> 0 group by job_id
  ) as failed
  where record.job_id = failed.job_id and record.gate is not null and record.place >= failed.place`;

const ENDED_BADLY = `child.state in (${STATE_CODES.DEAD}, ${STATE_CODES.CANCELLED})`;

const IS_ORDERED = `exists (
    select 1 from reseolio.jobs as parent where parent.id = child.parent_id
      and parent.created_at >= coalesce((select value::bigint from reseolio.meta where key = '${ORDERED_SINCE}'), 0)
  ) and exists (
    select 1 from reseolio.checkpoints where job_id = child.parent_id and gate is not null
  )`;

/** A child is found by a key that begins with its parent's id: one that ended badly has to be called again. */
const FORGET_CHILDREN = `update reseolio.jobs as child set idempotency_key = null
  where child.parent_id = any ($1::uuid[]) and ${ENDED_BADLY} and not (${IS_ORDERED})
    and child.idempotency_key like child.parent_id::text || ':%'`;

/** A child that ended badly is retried by its parent, unless the handler has handled its failure. */
const FAIL_CHILDREN = `insert into reseolio.checkpoints as known
    (job_id, name, kind, place, recorded_at, awaited_id, error, gate)
  select child.parent_id, 'job:' || child.id::text, ${KIND_CODES.job}, 0, (select reseolio.now_ms()), child.id, child.error,
    ${NO_FLAGS | ENDED_ATTEMPT}
  from reseolio.jobs as child
  where child.parent_id = any ($1::uuid[]) and ${ENDED_BADLY} and ${isUndo("child.headers")} is not true and ${IS_ORDERED}
  order by 1, 2
  on conflict (job_id, name) do update set error = excluded.error, gate = known.gate | ${ENDED_ATTEMPT}
  where known.kind = excluded.kind and known.place = 0 and known.gate is not null`;

const FORGET_AWAITED = `delete from reseolio.checkpoints as record
  where job_id = $1::uuid and (gate & ${ENDED_ATTEMPT}) <> 0 and (name = $2 or awaited_id = $3::uuid)
    and exists (
      select 1 from reseolio.checkpoints where job_id = $1::uuid and name = $2 and (gate & ${ENDED_ATTEMPT}) <> 0
    )
  returning 1`;

/** Updates the records of jobs whose attempts failed. */
export async function markRecords({ runner }: WriteSession, transitions: readonly Transition[]): Promise<void> {
  const rows = transitions.flatMap((transition) => marksOf(transition));
  if (rows.length === 0) return;
  const given = [
    uuidArray(rows.map(({ jobId }) => jobId)),
    textArray(rows.map(({ ref }) => ref.name)),
    numberArray(rows.map(({ ref }) => storedOp(ref.op))),
    numberArray(rows.map(({ flags }) => flags)),
    booleanArray(rows.map(({ stays }) => stays)),
  ];
  const retried = distinctIds(rows.filter(({ stays, flags }) => !stays && flags !== 0).map(({ jobId }) => jobId));
  const again = retried.length === 0 ? [] : [FORGET_TRIES, TRY_AGAIN];
  await Promise.all([runner.rows(MARK, given), ...again.map((sql) => runner.rows(sql, [uuidArray(retried)]))]);
}

/** Lists each record once, because a statement can update a row only once. */
function marksOf({ jobId, change }: Transition) {
  if (change.marks === undefined) return [];
  const { endedBy, loosened } = change.marks;
  const byName = new Map<string, { readonly ref: RecordRef; readonly flags: number }>();
  for (const ref of loosened) byName.set(ref.name, { ref, flags: 0 });
  for (const ref of endedBy) byName.set(ref.name, { ref, flags: ENDED_ATTEMPT });
  const stays = isTerminal(change.state);
  return [...byName.values()].map((one) => ({ jobId, stays, ...one }));
}

/** Makes failed operations run again after a manual retry; called when all of its transitions are applied. */
export async function forgetFailures({ runner }: WriteSession, retried: readonly string[]): Promise<void> {
  if (retried.length === 0) return;
  const jobIds = [uuidArray(retried)];
  // The order matters: records tell an ordered job, and a child's failure without a place can be retried.
  for (const sql of [FORGET_CHILDREN, LOOSEN_LAST, FAIL_CHILDREN, FORGET_ERRORS]) await runner.rows(sql, jobIds);
}

/** As `Store.orderedSince`. */
export async function forgetAwaited({ runner }: WriteSession, { jobId, awaitedBy }: AwaitedJob): Promise<boolean> {
  const id = jobId.toLowerCase();
  return (await runner.rows(FORGET_AWAITED, [awaitedBy, awaitedJobName(id), id])).length > 0;
}
