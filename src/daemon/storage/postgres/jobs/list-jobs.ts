import type { Job, JobState } from "../../../core/job.ts";
import { jobIdBytes, jobIdText, lowestJobIdAt } from "../../rows/job-id.ts";
import { STATE_CODES } from "../../rows/job-rows.ts";
import { isGiven, listStateOf } from "../../rows/list-state.ts";
import type { JobFilter, JobPage, JobQuery } from "../../seam/jobs.ts";
import { numberArray, type Param, storedText, uuidArray } from "../connection/literals.ts";
import { LISTED_JOB_COLUMNS } from "../connection/rows.ts";
import type { Runner } from "../connection/runner.ts";
import { ScheduleReader } from "../schedules/schedule-reader.ts";
import type { FunctionNames } from "../session/functions.ts";
import { distinctIds, type JobReader } from "../session/job-reader.ts";
import { readIdTimeSkew } from "../session/write-session.ts";

/** How many rows one call reads at most, so that no list loads the database for long. */
const LOOKS = 5_000;
const MOST_LOOKS_AT_ONCE = 1_000;

const LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/** The source of candidate ids, newest first: `$1` and `$2` are the bounds, `$3` is the limit. */
interface Source {
  readonly sql: string;
  readonly params: readonly Param[];
}

/** Conditions checked row by row; `$4` to `$10` in every statement. */
const MATCHES = `($4::smallint[] is null or job.state = any ($4::smallint[]))
  and ($5::int[] is null or job.function_id = any ($5::int[]))
  and ($6::text is null or job.idempotency_key = $6::text)
  and ($7::uuid is null or job.parent_id = $7::uuid)
  and ($8::bigint is null or job.created_at >= $8::bigint)
  and ($9::bigint is null or job.created_at < $9::bigint)
  and ($10::uuid[] is null or exists (
    select 1 from reseolio.job_ticks as tick where tick.job_id = job.id and tick.schedule_id = any ($10::uuid[])
  ))`;

/** One row per match. The first two columns repeat how many rows were read, and the id of the last one. */
function pageSql(source: string): string {
  return `with looked as materialized (${source} order by id desc limit $3::int)
    select look.looks, look.last, ${LISTED_JOB_COLUMNS}
    from (select (select count(*)::int from looked) as looks, (select id from looked order by id limit 1) as last) as look
    left join (looked join reseolio.jobs as job on job.id = looked.id and ${MATCHES}) on true
    order by job.id desc nulls last`;
}

const BOUNDS = "id <= $1::uuid and id >= $2::uuid";
const ALL = pageSql(`select id from reseolio.jobs where ${BOUNDS}`);
const OF_IDS = pageSql(`select id from reseolio.jobs where id = any ($11::uuid[]) and ${BOUNDS}`);
const OF_PARENT = pageSql(`select id from reseolio.jobs where parent_id = $7::uuid and ${BOUNDS}`);
const OF_SCHEDULES = pageSql(`select job_id as id from reseolio.job_ticks
  where schedule_id = any ($10::uuid[]) and job_id <= $1::uuid and job_id >= $2::uuid`);
const OF_KEY = pageSql(`select found.id from unnest($11::int[]) as given (function_id)
  cross join lateral (
    select id from reseolio.jobs
    where function_id = given.function_id and idempotency_key = $6::text and ${BOUNDS}
  ) as found`);
const OF_RUNNING = pageSql(
  `select id from reseolio.jobs where state = 1 and function_id = any ($11::int[]) and ${BOUNDS}`,
);
const OF_FUNCTIONS = pageSql(`select found.id from unnest($11::int[]) as given (function_id)
  cross join unnest($12::smallint[]) as listed (list_state)
  cross join lateral (
    select id from reseolio.jobs
    where function_id = given.function_id and list_state = listed.list_state and ${BOUNDS}
    order by id desc limit $3::int
  ) as found`);

/**
 * Lists by the narrowest index that the filter allows, newest first. The remaining conditions are checked row by row,
 * in growing pieces, within a budget of rows.
 */
export async function listJobs(
  runner: Runner,
  functions: FunctionNames,
  reader: JobReader,
  { filter, limit, before }: JobQuery,
): Promise<JobPage> {
  const [functionIds, skewMs, scheduleIds] = await Promise.all([
    functionIdsOf(functions, filter),
    readIdTimeSkew(runner),
    filter.scheduleName === undefined ? null : new ScheduleReader(runner).idsOf(filter.scheduleName),
  ]);
  let upper = upperBound(filter, before, skewMs);
  const lower = lowerBound(filter, skewMs);
  const source = sourceOf(filter, functionIds);
  const checks = checksOf(filter, functionIds, scheduleIds);
  const jobs: Job[] = [];
  let piece = limit + 1;
  for (let looks = 0; upper !== null;) {
    const rows = await runner.rows(source.sql, [upper, lower, piece, ...checks, ...source.params]);
    const [looked, last] = rows[0] as unknown as readonly [number, string | null];
    const matches = await reader.jobsOf(rows.filter((row) => row[2] !== null).map((row) => row.slice(2)));
    jobs.push(...matches.slice(0, limit - jobs.length));
    looks += looked;
    const more = looked === piece || matches.at(-1)?.jobId !== jobs.at(-1)?.jobId;
    if (!more) return { jobs, next: null };
    if (jobs.length === limit) return { jobs, next: jobs.at(-1)?.jobId ?? null };
    if (looks >= Math.max(LOOKS, limit)) return { jobs, next: last };
    upper = idBefore(last!);
    piece = Math.min(piece * 2, MOST_LOOKS_AT_ONCE);
  }
  return { jobs, next: null };
}

function sourceOf(filter: JobFilter, functionIds: readonly number[] | null): Source {
  if (isGiven(filter.jobIds)) return { sql: OF_IDS, params: [uuidArray(distinctIds(filter.jobIds))] };
  if (filter.scheduleName !== undefined && filter.idempotencyKey === undefined)
    return { sql: OF_SCHEDULES, params: [] };
  if (filter.parentId !== undefined && filter.idempotencyKey === undefined) return { sql: OF_PARENT, params: [] };
  if (functionIds === null) return { sql: ALL, params: [] };
  const ids = numberArray(functionIds);
  if (filter.idempotencyKey !== undefined) return { sql: OF_KEY, params: [ids] };
  const states = isGiven(filter.states) ? [...new Set(filter.states)] : ALL_STATES;
  if (states.length === 1 && states[0] === "RUNNING") return { sql: OF_RUNNING, params: [ids] };
  return { sql: OF_FUNCTIONS, params: [ids, numberArray([...new Set(states.map(listStateOf))])] };
}

const ALL_STATES = Object.keys(STATE_CODES) as readonly JobState[];

/** Null when the filter has neither function nor state nor key: then no function number is needed. */
async function functionIdsOf(functions: FunctionNames, filter: JobFilter): Promise<readonly number[] | null> {
  if (isGiven(filter.functionNames)) {
    await functions.look(filter.functionNames);
    const ids = new Set(filter.functionNames.map((name) => functions.find(name)));
    return [...ids].filter((id) => id !== undefined);
  }
  return isGiven(filter.states) || filter.idempotencyKey !== undefined ? functions.allIds() : null;
}

function checksOf(
  filter: JobFilter,
  functionIds: readonly number[] | null,
  scheduleIds: readonly string[] | null,
): readonly Param[] {
  return [
    isGiven(filter.states) ? numberArray(filter.states.map((state) => STATE_CODES[state])) : null,
    isGiven(filter.functionNames) ? numberArray(functionIds ?? []) : null,
    filter.idempotencyKey === undefined ? null : storedText(filter.idempotencyKey),
    filter.parentId === undefined ? null : (distinctIds([filter.parentId])[0] ?? LAST_ID),
    filter.createdAfter === undefined ? null : Math.ceil(filter.createdAfter),
    filter.createdBefore === undefined ? null : Math.ceil(filter.createdBefore),
    scheduleIds === null ? null : uuidArray(scheduleIds),
  ];
}

/** The highest id that may be on the page; null when there is none. */
function upperBound(filter: JobFilter, before: string | null, skewMs: number): string | null {
  const cursor = before === null ? LAST_ID : idBefore(before);
  if (filter.createdBefore === undefined || cursor === null) return cursor;
  const bound = lowestJobIdAt(filter.createdBefore + skewMs + 1);
  if (bound.length !== 16) return cursor;
  const time = jobIdText(bound);
  return time < cursor ? time : cursor;
}

/** The lowest id that may be on any page. */
function lowerBound(filter: JobFilter, skewMs: number): string {
  const bound = lowestJobIdAt(filter.createdAfter === undefined ? 0 : filter.createdAfter - skewMs);
  return bound.length === 16 ? jobIdText(bound) : LAST_ID;
}

/** The next lower id; null for the lowest one and for a text that is not a valid id. */
function idBefore(jobId: string): string | null {
  if (distinctIds([jobId]).length === 0) return null;
  const bytes = jobIdBytes(jobId);
  for (let index = 15; index >= 0; index--) {
    const byte = bytes[index]!;
    bytes[index] = (byte - 1) & 0xff;
    if (byte > 0) return jobIdText(bytes);
  }
  return null;
}
