import type { Checkpoint, OpenWait, PendingWait } from "../../../core/checkpoint.ts";
import {
  BEHIND_CHECKPOINT,
  CHECKPOINT_COLUMNS,
  checkpointFromRow as fromRow,
  fitting,
  NAMES_AHEAD,
  WAIT_COLUMNS,
  waitFromRow as waitFrom,
} from "../../rows/checkpoint-rows.ts";
import { isJobId } from "../../rows/job-id.ts";
import { readKind } from "../../rows/record-order.ts";
import type { CheckpointPage, CheckpointQuery, CheckpointSum } from "../../seam/workflows.ts";
import { numberArray, readText, storedText, uuidArray } from "../connection/literals.ts";
import { POSTGRES_CODEC, type Row } from "../connection/rows.ts";
import type { Runner } from "../connection/runner.ts";
import { distinctIds } from "../session/job-reader.ts";

/** Kinds 1, 2 and 5 are waits, signals included: the worker knows what it recorded itself. */
const IS_WANTED = `job_id = $1::uuid and recorded_at is not null and name > $2
  and ($3::bigint is null or (lease_token >= $3::bigint and kind in (1, 2, 5)))`;
const SIZES = `select name, coalesce(octet_length(value), 0) from reseolio.checkpoints
  where ${IS_WANTED} order by name limit ${NAMES_AHEAD}`;
const VALUES = `select ${CHECKPOINT_COLUMNS}, value from reseolio.checkpoints where ${IS_WANTED} and name <= $4 order by name`;
const FEW = `select ${CHECKPOINT_COLUMNS}, value, job_id from unnest($1::uuid[], $2::bigint[]) as given (id, since)
  join reseolio.checkpoints on job_id = given.id
  where recorded_at is not null and (given.since is null or (lease_token >= given.since and kind in (1, 2, 5)))
  order by name`;
const RECORDS = `select * from (
    select ${CHECKPOINT_COLUMNS}, null::bytea from reseolio.checkpoints
    where job_id = $1::uuid and recorded_at is not null order by recorded_at desc, place desc limit $2::int
  ) as last order by recorded_at, place`;
const WAITS = `select ${WAIT_COLUMNS}, (
    select signal_name from reseolio.wait_details as detail
    where detail.job_id = checkpoints.job_id and detail.name = checkpoints.name
  ) from reseolio.checkpoints
  where job_id = $1::uuid and recorded_at is null and wakes order by name`;
const IS_OPEN = "recorded_at is null";
const OPEN_WAITS = `select job_id, name, coalesce(op, 0)::bigint, kind, gate, due_at from reseolio.checkpoints
  where job_id = any ($1::uuid[]) and ${IS_OPEN} order by job_id, name`;
const SUMS = `select job_id, count(*)::int, count(*) filter (where ${IS_OPEN})::int,
    count(*) filter (where kind = 5)::int,
    coalesce(sum(octet_length(value)), 0)::bigint
  from reseolio.checkpoints where job_id = any ($1::uuid[]) group by job_id`;
const ORDERED = `select given.id from unnest($1::uuid[]) as given (id)
  where exists (select 1 from reseolio.checkpoints where job_id = given.id and gate is not null)`;

/** Reads what a worker is to replay, or to learn when it resumes: a part of about `maxBytes` of values. */
export async function listCheckpoints(reads: Runner, query: CheckpointQuery): Promise<CheckpointPage> {
  const { jobId, sinceToken, afterName, maxBytes } = query;
  if (!isJobId(jobId)) return { checkpoints: [], next: null };
  const wanted = [jobId, storedText(afterName ?? ""), sinceToken];
  const ahead = (await reads.rows(SIZES, wanted)) as unknown as readonly (readonly [string, number])[];
  const taken = fitting(ahead, maxBytes);
  const last = ahead[taken - 1]?.[0];
  if (last === undefined) return { checkpoints: [], next: null };
  const checkpoints = (await reads.rows(VALUES, [...wanted, last])).map(checkpointFromRow);
  return { checkpoints, next: taken < ahead.length || ahead.length === NAMES_AHEAD ? readText(last) : null };
}

/** Reads all checkpoints of several jobs that have few. */
export async function listFewCheckpoints(
  reads: Runner,
  queries: readonly Pick<CheckpointQuery, "jobId" | "sinceToken">[],
): Promise<ReadonlyMap<string, readonly Checkpoint[]>> {
  const asked = queries.filter(({ jobId }) => isJobId(jobId));
  const found = new Map<string, Checkpoint[]>();
  if (asked.length === 0) return found;
  const rows = await reads.rows(FEW, [
    uuidArray(asked.map(({ jobId }) => jobId)),
    numberArray(asked.map(({ sinceToken }) => sinceToken)),
  ]);
  for (const row of rows) {
    const jobId = row[BEHIND_CHECKPOINT] as string;
    const list = found.get(jobId);
    if (list === undefined) found.set(jobId, [checkpointFromRow(row)]);
    else list.push(checkpointFromRow(row));
  }
  return found;
}

/** The last ones that were recorded, oldest first, without values. */
export async function listRecords(reads: Runner, jobId: string, limit: number): Promise<readonly Checkpoint[]> {
  return isJobId(jobId) ? (await reads.rows(RECORDS, [jobId, limit])).map(checkpointFromRow) : [];
}

/** What the job waits for now. */
export async function listWaits(reads: Runner, jobId: string): Promise<readonly PendingWait[]> {
  return isJobId(jobId) ? (await reads.rows(WAITS, [jobId])).map(waitFromRow) : [];
}

/** Lists the waits of each job that are not over. */
export async function listOpenWaits(
  reads: Runner,
  jobIds: readonly string[],
): Promise<ReadonlyMap<string, readonly OpenWait[]>> {
  const found = new Map<string, OpenWait[]>();
  const ids = distinctIds(jobIds);
  if (ids.length === 0) return found;
  for (const row of await reads.rows(OPEN_WAITS, [uuidArray(ids)])) {
    const [jobId, name, op, kind, gate, dueAt] = row as readonly [
      string,
      string,
      number,
      number,
      number | null,
      number | null,
    ];
    const list = found.get(jobId) ?? [];
    found.set(jobId, list);
    list.push({ name: readText(name), op, kind: readKind(kind, gate), dueAt });
  }
  return found;
}

/** Counts checkpoints and waits of each job, and the bytes of their values. */
export async function sumCheckpoints(
  reads: Runner,
  jobIds: readonly string[],
): Promise<ReadonlyMap<string, CheckpointSum>> {
  const ids = distinctIds(jobIds);
  if (ids.length === 0) return new Map();
  type SumRow = readonly [jobId: string, count: number, open: number, awaited: number, bytes: number];
  const rows = (await reads.rows(SUMS, [uuidArray(ids)])) as unknown as readonly SumRow[];
  return new Map(rows.map(([jobId, count, open, awaited, bytes]) => [jobId, { count, open, awaited, bytes }]));
}

/** Finds the jobs that have a record with an order. */
export async function findOrdered(reads: Runner, jobIds: readonly string[]): Promise<ReadonlySet<string>> {
  const ids = distinctIds(jobIds);
  if (ids.length === 0) return new Set();
  return new Set((await reads.rows(ORDERED, [uuidArray(ids)])).map((row) => row[0] as string));
}

function checkpointFromRow(row: Row): Checkpoint {
  return fromRow(row, POSTGRES_CODEC);
}

function waitFromRow(row: Row): PendingWait {
  return waitFrom(row, POSTGRES_CODEC);
}
