/** Checks the invariants after chaos, based on the logs of callers and workers and on the database itself. */
import postgres from "postgres";
import { type CallLog, type Ended } from "./call-log.ts";
import { CALL_TIMEOUT_MS, RESULT_TIMEOUT_MS } from "./stage.ts";

/** Tolerance beyond a deadline, for a busy machine. */
const GRACE_MS = 2_000;
const SHOWN = 5;

/** Calls and waits that took longer than they may, or ended as none may. */
export function findLateEnds(log: CallLog): readonly string[] {
  const calls = log.calls.filter((one) => one.tookMs > CALL_TIMEOUT_MS + GRACE_MS);
  const waits = log.waits.filter((one) => one.tookMs > RESULT_TIMEOUT_MS + GRACE_MS);
  const odd = [
    ...log.calls.filter(({ code }) => !["ok", "connection", "timeout", "unavailable"].includes(code)),
    ...log.waits.filter(({ code }) => !["ok", "result_timeout"].includes(code)),
  ];
  const ended = log.calls.length;
  const open = log.tried.size - ended;
  return [
    ...few(calls, ({ call, tookMs }) => `call ${call} took ${tookMs} ms`),
    ...few(waits, ({ call, tookMs }) => `the wait for call ${call} took ${tookMs} ms`),
    ...few(odd, ({ call, code }) => `call ${call} ended with ${code}`),
    ...(open === 0 ? [] : [`${open} calls never ended`]),
  ];
}

/** How work came back. */
export interface Recovery {
  /** Completions per second before the first fault. */
  readonly before: number;
  /** Completions in the best second after the last fault. */
  readonly after: number;
  /** Time from the last fault to the end of the first second with enough completions; null if there was none. */
  readonly afterMs: number | null;
}

/** Computes the recovery from completion times. `leastShare` of the earlier rate is enough. */
export function findRecovery(
  ends: readonly number[],
  firstFaultAt: number,
  lastFaultAt: number,
  leastShare: number,
): Recovery {
  const startedAt = ends.reduce((least, at) => Math.min(least, at), firstFaultAt);
  const before = ends.filter((at) => at < firstFaultAt).length / ((firstFaultAt - startedAt) / 1000);
  const later = ends.filter((at) => at >= lastFaultAt).toSorted((one, other) => one - other);
  let first = 0;
  let after = 0;
  let afterMs: number | null = null;
  for (const [index, at] of later.entries()) {
    while (at - (later[first] ?? at) > 1_000) first++;
    after = Math.max(after, index - first + 1);
    if (afterMs === null && after >= before * leastShare) afterMs = at - lastFaultAt;
  }
  return { before: Math.round(before), after, afterMs };
}

/** Log lines that no daemon should ever write. */
export function findUncaught(output: string): readonly string[] {
  const lines = output.split("\n").filter((line) => line !== "" && !isExpected(line));
  return few(lines, (line) => `a daemon wrote: ${line.slice(0, 300)}`);
}

/** The log's lines but errors. */
function isExpected(line: string): boolean {
  try {
    const { level } = JSON.parse(line) as { level?: unknown };
    return level === "info" || level === "warn" || level === "debug";
  } catch {
    return false;
  }
}

/** Compares the calls with the database: none lost, invented or unfinished, and no job with two leases at a time. */
export async function findLosses(url: string, log: CallLog): Promise<readonly string[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, connection: { search_path: "reseolio" } });
  try {
    const jobs = await sql<{ id: string; call: string; state: number; losses: number; failures: number }[]>`
      select id, convert_from(args, 'UTF8')::json ->> 0 as call, state, losses, failures from jobs
      where parent_id is null`;
    const children = await sql<
      { id: string }[]
    >`select id from jobs where parent_id is not null and state <> ${SUCCESS}`;
    const overlaps = await sql<{ id: string }[]>`
      with intervals as (
        select job_id as id, attempt, started_at, ended_at from attempts
        union all select id, attempt, started_at, finished_at from jobs where finished_at is not null
      )
      select id from (
        select id, started_at, lag(ended_at) over (partition by id order by attempt) as earlier_end from intervals
      ) in_order where started_at < earlier_end`;
    const counts = await sql<{ state: number; kept: string; counted: string }[]>`
      select state, sum(kept) as kept, sum(counted) as counted from (
        select state, count as kept, 0 as counted from job_counts
        union all select state, delta, 0 from job_count_deltas
        union all select state, 0, 1 from jobs
      ) both_ways group by state having sum(kept) <> sum(counted)`;
    const byId = new Map(jobs.map((job) => [job.id, job]));
    const byCall = Map.groupBy(jobs, (job) => job.call);
    const lost = [...log.acknowledged].filter(([call, jobId]) => byId.get(jobId)?.call !== call);
    return [
      ...few(lost, ([call, jobId]) => `call ${call} was acknowledged as ${jobId} and is lost`),
      ...few(
        [...byCall].filter(([, stored]) => stored.length > 1),
        ([call]) => `call ${call} is stored twice`,
      ),
      ...few(
        [...byCall.keys()].filter((call) => !log.tried.has(call)),
        (call) => `call ${call} was never made`,
      ),
      ...few(
        jobs.filter(({ state }) => state !== SUCCESS),
        (job) => `job ${job.id} is in state ${job.state}`,
      ),
      ...few(
        jobs.filter(({ failures }) => failures > 0),
        (job) => `job ${job.id}: chaos used up its attempts`,
      ),
      ...few(children, ({ id }) => `the child ${id} is not finished`),
      ...few(overlaps, ({ id }) => `job ${id} had two leases at a time`),
      ...few(counts, ({ state, kept, counted }) => `state ${state}: ${counted} jobs, the counter says ${kept}`),
    ];
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Jobs that are not terminal; null while the database does not answer. */
export async function countUnfinished(url: string): Promise<number | null> {
  const sql = postgres(url, { max: 1, connect_timeout: 2, onnotice: () => {} });
  try {
    const [row] = await sql<{ count: string }[]>`select count(*) as count from reseolio.jobs where state < 3`;
    return Number(row?.count);
  } catch {
    return null;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

const SUCCESS = 3;

function few<T>(items: readonly T[], tell: (item: T) => string): readonly string[] {
  const shown = items.slice(0, SHOWN).map(tell);
  return items.length <= SHOWN ? shown : [...shown, `… and ${items.length - SHOWN} more like the last`];
}

/** When each of them ended. */
export function times(ends: readonly Ended[]): readonly number[] {
  return ends.filter(({ code }) => code === "ok").map(({ at }) => at);
}
