import { judgeId, judgeKey } from "../../../core/enqueue-conflict.ts";
import { DaemonError } from "../../../core/errors.ts";
import type { JobOptions } from "../../../core/job-options.ts";
import { isJobId, malformedJobId } from "../../rows/job-id.ts";
import { BACKOFF_CODES, headersText, isReady, stateOf } from "../../rows/job-rows.ts";
import type { EnqueueOutcome, NewJob } from "../../seam/jobs.ts";
import { bytesArray, numberArray, type Param, textArray, uuidArray } from "../connection/literals.ts";
import type { WriteSession } from "../session/write-session.ts";

/** Jobs that prevent items from being stored, by id (first) or by key. */
const LOOK = `select given.place, found.id, found.function_id, found.state, found.args is distinct from given.args
  from unnest($1::int[], $2::uuid[], $3::int[], $4::text[], $5::bytea[]) as given (place, id, function_id, key, args)
  cross join lateral (
    select 0 as rank, job.* from reseolio.jobs as job where job.id = given.id
    union all
    select 1 as rank, job.* from reseolio.jobs as job
    where job.function_id = given.function_id and job.idempotency_key = given.key
  ) as found
  order by given.place, found.rank`;

const RELEASE_KEYS = `update reseolio.jobs as job set idempotency_key = null
  from unnest($1::uuid[]) as given (id) where job.id = given.id and job.state >= 3`;

/** The caller appends the FROM clause that defines `given` and `clock`. */
export const INSERT_GIVEN = `insert into reseolio.jobs (id, function_id, is_ready, priority, run_at, deadline_at, max_attempts,
    backoff, initial_delay_ms, max_delay_ms, jitter, timeout_ms, start_by, finish_by, parent_id, idempotency_key,
    headers, args, state, list_state, created_at)
  select given.id, given.function_id, coalesce(given.run_at, clock.now + given.delay_ms) <= clock.now, given.priority,
    coalesce(given.run_at, clock.now + given.delay_ms), clock.now + least(given.start_ms, given.finish_ms),
    given.max_attempts, given.backoff, given.initial_delay_ms, given.max_delay_ms, given.jitter, given.timeout_ms,
    clock.now + given.start_ms, clock.now + given.finish_ms, given.parent_id, given.key, given.headers, given.args,
    0, 0, clock.now`;

/** Others can take a key, or delete its holder, between reading and the next try, but hardly this often. */
const ROUNDS = 20;

/**
 * Stores a batch with one statement. A second one reads why the other items were not stored; only keys that are taken
 * over, and jobs that vanished between the two, need another round.
 */
export async function enqueueJobs(session: WriteSession, items: readonly NewJob[]): Promise<readonly EnqueueOutcome[]> {
  refuseMalformedIds(items);
  await session.functions.ensure(items.map((item) => item.functionName));
  const outcomes: (EnqueueOutcome | undefined)[] = Array.from({ length: items.length });
  let open: readonly number[] = items.map((_, index) => index);
  for (let round = 0; open.length > 0; round++) {
    if (round === ROUNDS) throw contended(items[open[0]!]!);
    await storeFree(session, items, open, outcomes);
    open = open.filter((index) => outcomes[index] === undefined);
    if (open.length > 0) await explain(session, items, open, outcomes);
    open = open.filter((index) => outcomes[index] === undefined);
  }
  return outcomes as readonly EnqueueOutcome[];
}

function refuseMalformedIds(items: readonly NewJob[]): void {
  for (const { jobId, parentId } of items) {
    if (!isJobId(jobId)) throw malformedJobId(jobId);
    if (parentId !== null && !isJobId(parentId)) throw malformedJobId(parentId);
  }
}

/** Tries the first of several items with one id or key. */
async function storeFree(
  session: WriteSession,
  items: readonly NewJob[],
  open: readonly number[],
  outcomes: (EnqueueOutcome | undefined)[],
): Promise<void> {
  const taken = new Claims();
  const tried = open.filter((index) => taken.take(items[index]!));
  const stored = await insertJobs(
    session,
    tried.map((index) => items[index]!),
  );
  const now = await session.now();
  for (const index of tried) {
    const item = items[index]!;
    const jobId = item.jobId.toLowerCase();
    if (stored.has(jobId)) outcomes[index] = { kind: "stored", jobId, ready: isReady(item, now) };
  }
}

interface Obstacle {
  readonly jobId: string;
  readonly functionId: number;
  readonly state: number;
  readonly argsDiffer: boolean;
}

/** Fills in the outcomes that are known now; the other items are tried again. */
async function explain(
  session: WriteSession,
  items: readonly NewJob[],
  open: readonly number[],
  outcomes: (EnqueueOutcome | undefined)[],
): Promise<void> {
  const obstacles = await findObstacles(session, items, open);
  await session.functions.ensureNames([...obstacles.values()].map((obstacle) => obstacle.functionId));
  const postponed = new Claims();
  const replaced: string[] = [];
  for (const index of open) {
    const item = items[index]!;
    const obstacle = obstacles.get(index);
    // Later items with the id or key of one that is tried again depend on its outcome.
    if (obstacle === undefined || postponed.has(item)) {
      postponed.take(item);
      continue;
    }
    const outcome = outcomeOf(session, item, obstacle);
    if (outcome !== null) outcomes[index] = outcome;
    else if (postponed.take(item)) replaced.push(obstacle.jobId);
  }
  if (replaced.length > 0) await session.runner.rows(RELEASE_KEYS, [uuidArray(replaced.sort())]);
}

/** Null for an item that would be stored. */
export async function findEnqueued(
  session: WriteSession,
  items: readonly NewJob[],
): Promise<readonly (EnqueueOutcome | null)[]> {
  refuseMalformedIds(items);
  await session.functions.ensure(items.map((item) => item.functionName));
  const obstacles = await findObstacles(session, items, [...items.keys()]);
  await session.functions.ensureNames([...obstacles.values()].map((obstacle) => obstacle.functionId));
  return items.map((item, index) => {
    const obstacle = obstacles.get(index);
    return obstacle === undefined ? null : outcomeOf(session, item, obstacle);
  });
}

async function findObstacles(
  { runner, functions }: WriteSession,
  items: readonly NewJob[],
  open: readonly number[],
): Promise<ReadonlyMap<number, Obstacle>> {
  const looked = open.map((index) => items[index]!);
  const rows = await runner.rows(LOOK, [
    numberArray(open),
    uuidArray(looked.map((item) => item.jobId)),
    numberArray(looked.map((item) => functions.idOf(item.functionName))),
    textArray(looked.map((item) => item.options.idempotencyKey)),
    bytesArray(looked.map((item) => item.args)),
  ]);
  const obstacles = new Map<number, Obstacle>();
  for (const row of rows) {
    const [index, jobId, functionId, state, argsDiffer] = row as [number, string, number, number, boolean];
    // The first row of an item is the one by id, when there is one.
    if (!obstacles.has(index)) obstacles.set(index, { jobId, functionId, state, argsDiffer });
  }
  return obstacles;
}

/** Null when the item takes over the key of a job that has ended. */
function outcomeOf({ functions }: WriteSession, item: NewJob, obstacle: Obstacle): EnqueueOutcome | null {
  const { jobId, functionId, argsDiffer } = obstacle;
  const state = stateOf(obstacle.state);
  if (jobId !== item.jobId.toLowerCase()) return judgeKey(item.options.onDuplicate, { jobId, state, argsDiffer });
  return judgeId(item.functionName, { jobId, state, functionName: functions.nameOf(functionId) });
}

/** Ids and keys that only one item of a round may use. */
class Claims {
  readonly #names = new Set<string>();

  has(item: NewJob): boolean {
    return namesOf(item).some((name) => this.#names.has(name));
  }

  /** False when another item was first. */
  take(item: NewJob): boolean {
    const isFree = !this.has(item);
    for (const name of namesOf(item)) this.#names.add(name);
    return isFree;
  }
}

function namesOf({ jobId, functionName, options }: NewJob): readonly string[] {
  const id = jobId.toLowerCase();
  return options.idempotencyKey === null ? [id] : [id, `${functionName}\0${options.idempotencyKey}`];
}

function contended({ functionName, options }: NewJob): DaemonError {
  return new DaemonError(
    "unavailable",
    `the key ${JSON.stringify(options.idempotencyKey)} of ${functionName} is taken and freed faster than it can be read: try again`,
  );
}

const INSERT = `${INSERT_GIVEN}
  from (select reseolio.now_ms() as now offset 0) as clock
  cross join unnest($1::uuid[], $2::int[], $3::int[], $4::bigint[], $5::bigint[], $6::int[], $7::smallint[],
    $8::bigint[], $9::bigint[], $10::float8[], $11::bigint[], $12::bigint[], $13::bigint[], $14::uuid[], $15::text[],
    $16::text[], $17::bytea[])
    as given (id, function_id, priority, run_at, delay_ms, max_attempts, backoff, initial_delay_ms, max_delay_ms,
      jitter, timeout_ms, start_ms, finish_ms, parent_id, key, headers, args)
  on conflict do nothing
  returning id`;

/**
 * Stores those of the items whose id and key are free, and returns their ids. No two items may have one id, or one key
 * of one function. Rows are inserted by key, then by id: two daemons that store the same keys take
 * their locks in the same order, so they cannot deadlock.
 */
async function insertJobs(session: WriteSession, items: readonly NewJob[]): Promise<ReadonlySet<string>> {
  const { idTimes, runner } = session;
  const sorted = inLockOrder(items);
  const rows = await runner.rows(INSERT, columns(session, sorted));
  const stored = new Set(rows.map((row) => row[0] as string));
  const now = await session.now();
  for (const item of items) {
    if (!stored.has(item.jobId.toLowerCase())) continue;
    idTimes.observe(item.jobId, now);
    session.recordStored(item, isReady(item, now));
  }
  return stored;
}

export function inLockOrder(items: readonly NewJob[]): readonly NewJob[] {
  if (items.length < 2) return items;
  return items.toSorted((left, right) => {
    const leftKey = left.options.idempotencyKey;
    const rightKey = right.options.idempotencyKey;
    if (leftKey !== rightKey) {
      if (leftKey === null || rightKey === null) return leftKey === null ? 1 : -1;
      return leftKey < rightKey ? -1 : 1;
    }
    if (leftKey !== null && left.functionName !== right.functionName) {
      return left.functionName < right.functionName ? -1 : 1;
    }
    return left.jobId < right.jobId ? -1 : 1;
  });
}

/** Eleven arrays, from priority to finishWithinMs, with an element for each of the options. */
export function optionColumns(options: readonly JobOptions[]): readonly Param[] {
  return [
    numberArray(options.map(({ priority }) => priority)),
    numberArray(options.map(({ runAt }) => (runAt === null ? null : Math.ceil(runAt)))),
    numberArray(options.map(({ delayMs }) => Math.ceil(delayMs ?? 0))),
    numberArray(options.map(({ maxAttempts }) => maxAttempts)),
    numberArray(options.map(({ backoff }) => BACKOFF_CODES[backoff])),
    numberArray(options.map(({ initialDelayMs }) => initialDelayMs)),
    numberArray(options.map(({ maxDelayMs }) => maxDelayMs)),
    numberArray(options.map(({ jitter }) => jitter)),
    numberArray(options.map(({ timeoutMs }) => timeoutMs)),
    numberArray(options.map(({ startWithinMs }) => startWithinMs)),
    numberArray(options.map(({ finishWithinMs }) => finishWithinMs)),
  ];
}

function columns({ functions }: WriteSession, items: readonly NewJob[]): readonly Param[] {
  const options = items.map((item) => item.options);
  return [
    uuidArray(items.map((item) => item.jobId)),
    numberArray(items.map((item) => functions.idOf(item.functionName))),
    ...optionColumns(options),
    uuidArray(items.map((item) => item.parentId)),
    textArray(options.map(({ idempotencyKey }) => idempotencyKey)),
    textArray(options.map(({ headers }) => headersText(headers))),
    bytesArray(items.map((item) => item.args)),
  ];
}
