import type { CheckpointKind } from "../../core/checkpoint.ts";
import type { CheckpointToStore, NamesOfJob, RecordOutcome } from "../checkpoint-store.ts";
import { KIND_CODES, kindOf } from "../codes.ts";
import { isJobId } from "../job-id.ts";
import { bytesArray, numberArray, readText, textArray, uuidArray } from "./literals.ts";
import type { WriteSession } from "./write-session.ts";

/**
 * The share lock is the fence: a lease that was checked here is not taken back before this transaction ends. What is
 * there stays, but for a wait that its worker saw end, and a step's error from before the job's last failure.
 */
const RECORD = `with leased as materialized (
    select job.id from unnest($1::uuid[], $5::bigint[]) as given (id, lease_token)
    join reseolio.jobs as job on job.id = given.id and job.state + 0 = 1 and job.lease_token = given.lease_token
    order by job.id for share of job
  )
  insert into reseolio.checkpoints as known
    (job_id, name, kind, place, lease_token, value, error, failures, recorded_at)
  select given.job_id, given.name, given.kind, given.place, given.lease_token, given.value, given.error, given.failures,
    (select reseolio.now_ms())
  from unnest($1::uuid[], $2::text[], $3::smallint[], $4::int[], $5::bigint[], $6::bytea[], $7::text[], $8::int[])
    as given (job_id, name, kind, place, lease_token, value, error, failures)
  where given.job_id in (select id from leased)
  order by given.job_id, given.name
  on conflict (job_id, name) do update set lease_token = excluded.lease_token, value = excluded.value,
    error = excluded.error, failures = excluded.failures, recorded_at = excluded.recorded_at, place = excluded.place
  where known.kind = excluded.kind
    and (known.recorded_at is null or (known.error is not null and known.failures <> excluded.failures))
  returning known.job_id, known.name`;

const EXPLAIN = `select given.place,
    exists (select 1 from reseolio.jobs as job
      where job.id = given.job_id and job.state + 0 = 1 and job.lease_token = given.lease_token),
    (select kind from reseolio.checkpoints as known where known.job_id = given.job_id and known.name = given.name)
  from unnest($1::int[], $2::uuid[], $3::text[], $4::bigint[]) as given (place, job_id, name, lease_token)`;

const KINDS = `select given.place, known.name, known.kind
  from unnest($1::int[], $2::uuid[], $3::text[]) as given (place, job_id, name)
  join reseolio.checkpoints as known on known.job_id = given.job_id and known.name = given.name`;

/** One statement for a batch; what was not written is looked at with a second one. */
export async function recordCheckpoints(
  session: WriteSession,
  items: readonly CheckpointToStore[],
): Promise<readonly RecordOutcome[]> {
  const outcomes: RecordOutcome[] = items.map(() => STALE);
  const first = firstOfName(items);
  const written = await write(
    session,
    first.map((place) => items[place]!),
  );
  const open: number[] = [];
  const tried = new Set(first);
  for (const [place, item] of items.entries()) {
    if (!isJobId(item.jobId)) continue;
    if (tried.has(place) && written.has(keyOf(item.jobId.toLowerCase(), item.name))) outcomes[place] = RECORDED;
    else open.push(place);
  }
  if (open.length > 0) await explain(session, items, open, outcomes);
  return outcomes;
}

/** A statement may touch a row once. */
function firstOfName(items: readonly CheckpointToStore[]): readonly number[] {
  const seen = new Set<string>();
  return [...items.entries()].flatMap(([place, { jobId, name }]) => {
    const key = keyOf(jobId.toLowerCase(), name);
    if (!isJobId(jobId) || seen.has(key)) return [];
    seen.add(key);
    return [place];
  });
}

async function write({ runner }: WriteSession, items: readonly CheckpointToStore[]): Promise<ReadonlySet<string>> {
  if (items.length === 0) return new Set();
  const rows = await runner.rows(RECORD, [
    uuidArray(items.map(({ jobId }) => jobId)),
    textArray(items.map(({ name }) => name)),
    numberArray(items.map(({ kind }) => KIND_CODES[kind])),
    numberArray(items.map(({ place }) => place)),
    numberArray(items.map(({ leaseToken }) => leaseToken)),
    bytesArray(items.map(({ value }) => value)),
    textArray(items.map(({ error }) => (error === null ? null : JSON.stringify(error)))),
    numberArray(items.map(({ failures }) => failures)),
  ]);
  return new Set(rows.map(([jobId, name]) => keyOf(jobId as string, readText(name as string))));
}

async function explain(
  { runner }: WriteSession,
  items: readonly CheckpointToStore[],
  open: readonly number[],
  outcomes: RecordOutcome[],
): Promise<void> {
  const rows = await runner.rows(EXPLAIN, [
    numberArray(open),
    uuidArray(open.map((place) => items[place]!.jobId)),
    textArray(open.map((place) => items[place]!.name)),
    numberArray(open.map((place) => items[place]!.leaseToken)),
  ]);
  for (const [place, isLeased, code] of rows as unknown as readonly [number, boolean, number | null][]) {
    if (!isLeased || code === null) continue;
    const known = kindOf(code);
    outcomes[place] = known === items[place]!.kind ? REPEATED : { kind: "conflict", known };
  }
}

/** For each item, the kinds of those of its names that are known. */
export async function findKinds(
  { runner }: WriteSession,
  items: readonly NamesOfJob[],
): Promise<readonly ReadonlyMap<string, CheckpointKind>[]> {
  const kinds = items.map(() => new Map<string, CheckpointKind>());
  const asked = items.flatMap(({ jobId, names }, place) =>
    isJobId(jobId) ? names.map((name) => [place, jobId, name] as const) : [],
  );
  if (asked.length === 0) return kinds;
  const rows = await runner.rows(KINDS, [
    numberArray(asked.map(([place]) => place)),
    uuidArray(asked.map(([, jobId]) => jobId)),
    textArray(asked.map(([, , name]) => name)),
  ]);
  for (const [place, name, kind] of rows as unknown as readonly [number, string, number][]) {
    kinds[place]!.set(readText(name), kindOf(kind));
  }
  return kinds;
}

function keyOf(jobId: string, name: string): string {
  return `${jobId} ${name}`;
}

const RECORDED: RecordOutcome = { kind: "recorded" };
const REPEATED: RecordOutcome = { kind: "repeated" };
const STALE: RecordOutcome = { kind: "stale" };
