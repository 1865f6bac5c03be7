import type { Database } from "bun:sqlite";
import type { Job } from "../../../core/job.ts";
import { JOB_STATES } from "../../../core/job.ts";
import { FIRST_ID, jobIdText, lowestJobIdAt, PAST_LAST_ID, writeJobId } from "../../rows/job-id.ts";
import { STATE_CODES } from "../../rows/job-rows.ts";
import { isGiven, listStateOf } from "../../rows/list-state.ts";
import type { JobFilter, JobPage, JobQuery } from "../../seam/jobs.ts";
import { LISTED_JOB_COLUMNS, type Row } from "../connection/rows.ts";
import type { ScheduleReader } from "../schedules/schedule-reader.ts";
import { listedJobFromRow } from "../session/job-reader.ts";
import type { WriteSession } from "../session/write-session.ts";
import { IdStream, MergedIds, newestFirst } from "./id-streams.ts";

/** How many rows one call reads at most, to stay far below the 50 ms that a call may block the daemon's thread. */
const LOOKS = 2_000;

export type ListJobs = (query: JobQuery) => JobPage;

const LISTED = `select ${LISTED_JOB_COLUMNS} from jobs where id = ?`;

const ALL = "select id from jobs where id < ? order by id desc limit (? + 0)";

const OF_FUNCTION = `select id from jobs
  where function_id = (? + 0) and list_state = (? + 0) and id < ? order by id desc limit (? + 0)`;

const OF_PARENT = "select id from jobs where parent_id = ? and id < ? order by id desc limit (? + 0)";

const OF_SCHEDULE = `select job_id from job_ticks
  where schedule_id = ? and job_id < ? order by job_id desc limit (? + 0)`;

const OF_KEY = "select id from jobs where function_id = ? and idempotency_key = ?";

/** What the writer keeps in memory of the jobs. */
type JobMemory = Pick<WriteSession, "functions" | "counters" | "idTimes" | "running">;

/**
 * Lists by the narrowest index that the filter allows: merges streams of ids, newest first. The remaining conditions are
 * checked row by row, within a budget of rows.
 */
export function prepareListJobs(db: Database, memory: JobMemory, schedules: ScheduleReader): ListJobs {
  const job = db.prepare(LISTED);
  const streams = prepareStreams(db, memory, schedules);
  return ({ filter, limit, before }) => {
    const match = matcher(filter, schedules);
    const end = lowerBound(filter, memory.idTimes.skewMs);
    const ids = new MergedIds(streams(filter, limit, upperBound(filter, before, memory.idTimes.skewMs)), newestFirst);
    const jobs: Job[] = [];
    let last: Uint8Array | null = null;
    for (let looks = 0; ; looks++) {
      const id = ids.peek();
      if (id === null || isBelow(id, end)) return { jobs, next: null };
      if (jobs.length === limit || looks >= Math.max(LOOKS, limit)) return { jobs, next: jobIdText(last!) };
      ids.advance();
      last = id;
      const row = job.values(id)[0] as Row | undefined;
      // The row may have been deleted since the index was read.
      if (row === undefined) continue;
      const found = listedJobFromRow(row, memory.functions);
      if (match(found)) jobs.push(found);
    }
  };
}

/** @param from exclusive */
type Streams = (filter: JobFilter, limit: number, from: Uint8Array) => readonly IdStream[];

function prepareStreams(db: Database, memory: JobMemory, schedules: ScheduleReader): Streams {
  const all = db.prepare(ALL);
  const ofParent = db.prepare(OF_PARENT);
  const ofSchedule = db.prepare(OF_SCHEDULE);
  const ofKey = db.prepare(OF_KEY);
  const functionStreams = prepareFunctionStreams(db, memory);

  function idsOfKey(filter: JobFilter, key: string): readonly Uint8Array[] {
    const rows = functionIds(filter, memory).flatMap((id) => ofKey.values(id, key) as Row[]);
    return rows.map((row) => row[0] as Uint8Array);
  }

  return (filter, limit, from) => {
    const piece = limit + 1;
    if (isGiven(filter.jobIds)) return [fixedIds(idsOf(filter.jobIds), from)];
    if (filter.idempotencyKey !== undefined) return [fixedIds(idsOfKey(filter, filter.idempotencyKey), from)];
    if (filter.scheduleName !== undefined) {
      return schedules.idsOf(filter.scheduleName).map((id) => new IdStream(ofSchedule, [id], from, piece));
    }
    if (filter.parentId !== undefined) {
      return idsOf([filter.parentId]).map((parentId) => new IdStream(ofParent, [parentId], from, piece));
    }
    if (!isGiven(filter.functionNames) && !isGiven(filter.states)) return [new IdStream(all, [], from, piece)];
    return functionStreams(filter, limit, from);
  };
}

function prepareFunctionStreams(db: Database, memory: JobMemory): Streams {
  const ofFunction = db.prepare(OF_FUNCTION);
  const { counters, running } = memory;

  function hasJobs(functionId: number, listState: number): boolean {
    const count = counters.committedCount(functionId, listState);
    return count > 0 || (listState === 0 && counters.committedCount(functionId, STATE_CODES.RUNNING) > 0);
  }

  return (filter, limit, from) => {
    const states = isGiven(filter.states) ? [...new Set(filter.states)] : JOB_STATES;
    const ids = functionIds(filter, memory);
    if (states.length === 1 && states[0] === "RUNNING") {
      return ids.map((id) => fixedIds(idsOf(running.ofFunction(id)), from));
    }
    const listStates = [...new Set(states.map(listStateOf))];
    const pairs = ids.flatMap((id) =>
      listStates.filter((code) => hasJobs(id, code)).map((code) => [id, code] as const),
    );
    const share = Math.ceil((2 * limit) / Math.max(pairs.length, 1)) + 1;
    return pairs.map((pair) => new IdStream(ofFunction, [...pair], from, Math.min(share, limit + 1)));
  };
}

function functionIds(filter: JobFilter, { functions }: JobMemory): readonly number[] {
  if (!isGiven(filter.functionNames)) return [...functions.ids()];
  const ids = new Set(filter.functionNames.map((name) => functions.find(name)));
  return [...ids].filter((id) => id !== undefined);
}

/** Where ids begin, from above: exclusive. */
function upperBound(filter: JobFilter, before: string | null, skewMs: number): Uint8Array {
  const cursor = before === null ? null : (idsOf([before])[0] ?? FIRST_ID);
  const time = filter.createdBefore === undefined ? null : lowestJobIdAt(filter.createdBefore + skewMs + 1);
  if (cursor === null) return time ?? PAST_LAST_ID;
  return time === null || isBelow(cursor, time) ? cursor : time;
}

/** Where ids end: none below can match. */
function lowerBound(filter: JobFilter, skewMs: number): Uint8Array {
  return filter.createdAfter === undefined ? FIRST_ID : lowestJobIdAt(filter.createdAfter - skewMs);
}

function matcher(filter: JobFilter, schedules: ScheduleReader): (job: Job) => boolean {
  const states = isGiven(filter.states) ? new Set<string>(filter.states) : null;
  const names = isGiven(filter.functionNames) ? new Set(filter.functionNames) : null;
  const parentId = filter.parentId?.toLowerCase();
  return (job) =>
    (states === null || states.has(job.state)) &&
    (names === null || names.has(job.functionName)) &&
    (filter.idempotencyKey === undefined || job.idempotencyKey === filter.idempotencyKey) &&
    (parentId === undefined || job.parentId === parentId) &&
    (filter.scheduleName === undefined || schedules.nameOf(job.jobId) === filter.scheduleName) &&
    (filter.createdAfter === undefined || job.createdAt >= filter.createdAfter) &&
    (filter.createdBefore === undefined || job.createdAt < filter.createdBefore);
}

function idsOf(jobIds: readonly string[]): readonly Uint8Array[] {
  return [...new Set(jobIds)].flatMap((jobId) => {
    const id = new Uint8Array(16);
    return writeJobId(jobId, id) ? [id] : [];
  });
}

function isBelow(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) < 0;
}

function fixedIds(ids: readonly Uint8Array[], from: Uint8Array): IdStream {
  const stream = new IdStream(null, [], from, 0);
  stream.fill(ids.filter((id) => isBelow(id, from)).sort((left, right) => Buffer.compare(right, left)));
  return stream;
}
