import type { CheckpointKind } from "../../../core/checkpoint.ts";
import { judgeRecord } from "../../../core/record-conflict.ts";
import { isJobId } from "../../rows/job-id.ts";
import { kindOf } from "../../rows/job-rows.ts";
import { ENDED_ATTEMPT, kindSql, OF_RECORD, OTHER_KIND, storedOrder } from "../../rows/record-order.ts";
import type { NamesOfJob, NewCheckpoint, RecordOutcome } from "../../seam/workflows.ts";
import { bytesArray, numberArray, readText, textArray, uuidArray } from "../connection/literals.ts";
import type { WriteSession } from "../session/write-session.ts";

/** Records that are replaced: a wait that its worker saw end, a failure that was retried, attempts of a step. */
const GIVES_WAY = `(case
    when known.recorded_at is null then true
    when known.gate is null then known.error is not null and known.failures <> excluded.failures
    else (known.gate & ${ENDED_ATTEMPT}) <> 0 or (known.kind = 0 and (known.gate & ${OTHER_KIND}) <> 0)
  end)`;

/** Keeps its value: only its place was not known. */
const GETS_PLACE = "(known.gate is not null and known.place = 0 and excluded.gate is not null and excluded.place > 0)";

const given = (column: string): string =>
  `${column} = case when ${GIVES_WAY} then excluded.${column} else known.${column} end`;

/** The share lock is the fence: a lease that was checked here cannot be revoked before this transaction ends. */
const RECORD = `with leased as materialized (
    select job.id from unnest($1::uuid[], $5::bigint[]) as given (id, lease_token)
    join reseolio.jobs as job on job.id = given.id and job.state + 0 = 1 and job.lease_token = given.lease_token
    order by job.id for share of job
  )
  insert into reseolio.checkpoints as known
    (job_id, name, kind, place, lease_token, value, error, failures, recorded_at, gate, op, awaited_id)
  select given.job_id, given.name, given.kind, given.place, given.lease_token, given.value, given.error, given.failures,
    (select reseolio.now_ms()), given.gate, given.op, given.awaited_id
  from unnest($1::uuid[], $2::text[], $3::smallint[], $4::int[], $5::bigint[], $6::bytea[], $7::text[], $8::int[],
    $9::int[], $10::bigint[], $11::uuid[])
    as given (job_id, name, kind, place, lease_token, value, error, failures, gate, op, awaited_id)
  where given.job_id in (select id from leased)
  order by given.job_id, given.name
  on conflict (job_id, name) do update set ${["lease_token", "value", "error", "failures", "recorded_at"].map(given).join(", ")},
    place = excluded.place, op = excluded.op, awaited_id = coalesce(excluded.awaited_id, known.awaited_id),
    gate = case when ${GIVES_WAY} then excluded.gate else excluded.gate | (known.gate & ${OF_RECORD}) end
  where ${kindSql("known")} = ${kindSql("excluded")} and (${GIVES_WAY} or ${GETS_PLACE})
  returning known.job_id, known.name, known.xmax = 0`;

const EXPLAIN = `select given.place,
    exists (select 1 from reseolio.jobs as job
      where job.id = given.job_id and job.state + 0 = 1 and job.lease_token = given.lease_token),
    (select ${kindSql("known")} from reseolio.checkpoints as known where known.job_id = given.job_id and known.name = given.name)
  from unnest($1::int[], $2::uuid[], $3::text[], $4::bigint[]) as given (place, job_id, name, lease_token)`;

const KINDS = `select given.place, known.name, ${kindSql("known")}
  from unnest($1::int[], $2::uuid[], $3::text[]) as given (place, job_id, name)
  join reseolio.checkpoints as known on known.job_id = given.job_id and known.name = given.name`;

/** Writes a batch without repeated names in one statement; a second one reads why records were not written. */
export async function recordCheckpoints(
  session: WriteSession,
  items: readonly NewCheckpoint[],
): Promise<readonly RecordOutcome[]> {
  const outcomes: RecordOutcome[] = items.map(() => STALE);
  const open: number[] = [];
  for (const round of rounds(items)) {
    const written = await write(
      session,
      round.map((index) => items[index]!),
    );
    for (const index of round) {
      const outcome = written.get(keyOf(items[index]!.jobId.toLowerCase(), items[index]!.name));
      if (outcome === undefined) open.push(index);
      else outcomes[index] = outcome;
    }
  }
  if (open.length > 0) await explain(session, items, open, outcomes);
  return outcomes;
}

/** A statement may update a row only once, so each name of a job appears once per round. */
function rounds(items: readonly NewCheckpoint[]): readonly (readonly number[])[] {
  const list: number[][] = [];
  const seen = new Map<string, number>();
  for (const [index, { jobId, name }] of items.entries()) {
    if (!isJobId(jobId)) continue;
    const key = keyOf(jobId.toLowerCase(), name);
    const round = seen.get(key) ?? 0;
    seen.set(key, round + 1);
    (list[round] ??= []).push(index);
  }
  return list;
}

async function write(
  { runner }: WriteSession,
  items: readonly NewCheckpoint[],
): Promise<ReadonlyMap<string, RecordOutcome>> {
  const stored = items.map(({ kind, order, place }) => storedOrder(kind, order, place));
  const rows = await runner.rows(RECORD, [
    uuidArray(items.map(({ jobId }) => jobId)),
    textArray(items.map(({ name }) => name)),
    numberArray(stored.map(({ kind }) => kind)),
    numberArray(stored.map(({ place }) => place)),
    numberArray(items.map(({ leaseToken }) => leaseToken)),
    bytesArray(items.map(({ value }) => value)),
    textArray(items.map(({ error }) => (error === null ? null : JSON.stringify(error)))),
    numberArray(items.map(({ failures }) => failures)),
    numberArray(stored.map(({ gate }) => gate)),
    numberArray(stored.map(({ op }) => op)),
    uuidArray(items.map(({ awaitedJobId }) => awaitedJobId)),
  ]);
  return new Map(
    rows.map(([jobId, name, isNew]) => [
      keyOf(jobId as string, readText(name as string)),
      isNew === true ? NEW : CHANGED,
    ]),
  );
}

async function explain(
  { runner }: WriteSession,
  items: readonly NewCheckpoint[],
  open: readonly number[],
  outcomes: RecordOutcome[],
): Promise<void> {
  const rows = await runner.rows(EXPLAIN, [
    numberArray(open),
    uuidArray(open.map((index) => items[index]!.jobId)),
    textArray(open.map((index) => items[index]!.name)),
    numberArray(open.map((index) => items[index]!.leaseToken)),
  ]);
  for (const [index, isLeased, code] of rows as unknown as readonly [number, boolean, number | null][]) {
    if (!isLeased || code === null) continue;
    outcomes[index] = judgeRecord(items[index]!.kind, kindOf(code));
  }
}

/** Finds, for each item, the kinds of those of its names that are known. */
export async function findKinds(
  { runner }: WriteSession,
  items: readonly NamesOfJob[],
): Promise<readonly ReadonlyMap<string, CheckpointKind>[]> {
  const kinds = items.map(() => new Map<string, CheckpointKind>());
  const asked = items.flatMap(({ jobId, names }, index) =>
    isJobId(jobId) ? names.map((name) => [index, jobId, name] as const) : [],
  );
  if (asked.length === 0) return kinds;
  const rows = await runner.rows(KINDS, [
    numberArray(asked.map(([index]) => index)),
    uuidArray(asked.map(([, jobId]) => jobId)),
    textArray(asked.map(([, , name]) => name)),
  ]);
  for (const [index, name, kind] of rows as unknown as readonly [number, string, number][]) {
    kinds[index]!.set(readText(name), kindOf(kind));
  }
  return kinds;
}

function keyOf(jobId: string, name: string): string {
  return `${jobId} ${name}`;
}

const NEW: RecordOutcome = { kind: "recorded", isNew: true };
const CHANGED: RecordOutcome = { kind: "recorded", isNew: false };
const STALE: RecordOutcome = { kind: "stale" };
