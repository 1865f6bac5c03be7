import type { Transition } from "../../../core/job-machine.ts";
import { isTerminal } from "../../../core/job.ts";
import { isJobId } from "../../rows/job-id.ts";
import { errorText, isPlainSuccess, mayHaveWaits, OUTCOME_CODES, STATE_CODES } from "../../rows/job-rows.ts";
import { booleanArray, bytesArray, numberArray, textArray, uuidArray } from "../connection/literals.ts";
import type { WriteSession } from "../session/write-session.ts";
import { forgetFailures, markRecords } from "../workflows/failed-records.ts";
import { dropWaits, endForJobs } from "../workflows/waits.ts";

/**
 * The one change that nearly every job goes through. `+ 0` keeps the planner from searching the small index of running
 * jobs for each job: that costs twenty times as much with 512 of them.
 */
const SUCCEED = `update reseolio.jobs as job set
    state = 3, list_state = 3, result = given.result, started_at = greatest(given.started_at, job.started_at),
    finished_at = (select reseolio.now_ms()), deadline_at = null
  from unnest($1::int[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bytea[])
    as given (place, id, lease_token, started_at, result)
  where job.id = given.id and job.state + 0 = 1 and job.lease_token = given.lease_token
  returning given.place`;

const MOVE = `update reseolio.jobs as job set
    state = given.state,
    list_state = case when given.state < 2 then 0 else given.state end,
    is_ready = given.run_after_ms <= 0,
    run_at = coalesce((select reseolio.now_ms()) + given.run_after_ms, job.run_at),
    result = given.result,
    error = case when given.sets_error then given.error else job.error end,
    attempt = coalesce(given.attempt, job.attempt),
    failures = coalesce(given.failures, job.failures),
    losses = coalesce(given.losses, job.losses),
    lease_token = job.lease_token + given.revoked,
    started_at = greatest(given.started_at, job.started_at),
    finished_at = case when given.state >= 3 then (select reseolio.now_ms()) end,
    worker_id = case when given.state = 0 and not given.keeps_worker then null else job.worker_id end,
    ran_ms = case when given.sets_ran_ms then given.ran_ms else job.ran_ms end,
    start_by = case when given.clears then null else job.start_by end,
    finish_by = case when given.clears then null else job.finish_by end,
    deadline_at = case
      when given.state >= 3 or given.clears then null
      when given.state = 0 and coalesce(given.attempt, job.attempt) = 0 and job.start_by is not null
        then least(job.start_by, job.finish_by)
      else job.finish_by
    end
  from unnest($1::int[], $2::uuid[], $3::smallint[], $4::bigint[], $5::smallint[], $6::bigint[], $7::bytea[],
    $8::bool[], $9::text[], $10::int[], $11::int[], $12::int[], $13::bigint[], $14::bigint[], $15::bool[],
    $16::bool[], $17::bool[], $18::bigint[])
    as given (place, id, from_state, from_token, state, run_after_ms, result, sets_error, error, attempt, failures,
      losses, revoked, started_at, clears, keeps_worker, sets_ran_ms, ran_ms)
  where job.id = given.id and job.state = given.from_state and job.lease_token = given.from_token
  returning given.place`;

const RECORD = `insert into reseolio.attempts (job_id, attempt, outcome, worker_id, started_at, ended_at, error)
  select given.job_id, given.attempt, given.outcome, given.worker_id, given.started_at, (select reseolio.now_ms()), given.error
  from unnest($1::uuid[], $2::int[], $3::smallint[], $4::text[], $5::bigint[], $6::text[])
    as given (job_id, attempt, outcome, worker_id, started_at, error)
  on conflict (job_id, attempt) do update set outcome = excluded.outcome, worker_id = excluded.worker_id,
    started_at = excluded.started_at, ended_at = excluded.ended_at, error = excluded.error`;

/** A transition with its index in the batch. */
type Indexed = readonly [index: number, transition: Transition];

/**
 * Guarded writes, in as few statements as the batch allows. Rows are written in the order of their ids, so that daemons
 * that write the same jobs cannot deadlock; several transitions of one job are applied one after the other.
 */
export async function applyTransitions(
  session: WriteSession,
  transitions: readonly Transition[],
): Promise<readonly boolean[]> {
  await session.functions.ensure(transitions.map((transition) => transition.functionName));
  const applied: boolean[] = transitions.map(() => false);
  for (const round of rounds(transitions)) {
    const plain = round.filter(([, transition]) => isPlainSuccess(transition));
    const others = round.filter(([, transition]) => !isPlainSuccess(transition));
    const ends = round.filter(([, { change }]) => isTerminal(change.state));
    const endIds = ends.map(([, { jobId }]) => jobId);
    const [succeeded, otherwise, awaiters] = await Promise.all([
      succeed(session, plain),
      move(session, others),
      endForJobs(session, endIds),
    ]);
    for (const jobId of awaiters) session.awaiters.add(jobId);
    const moved = new Set([...succeeded, ...otherwise]);
    await recordMoves(
      session,
      round.filter(([index]) => moved.has(index)),
    );
    for (const index of moved) applied[index] = true;
  }
  return applied;
}

/** Each job appears once per round, in the order of ids; malformed ids are left out. */
function rounds(transitions: readonly Transition[]): readonly (readonly Indexed[])[] {
  const rounds: Indexed[][] = [];
  const seen = new Map<string, number>();
  for (const indexed of transitions.entries()) {
    const { jobId } = indexed[1];
    if (!isJobId(jobId)) continue;
    const round = seen.get(jobId) ?? 0;
    seen.set(jobId, round + 1);
    (rounds[round] ??= []).push(indexed);
  }
  for (const round of rounds) round.sort(([, left], [, right]) => (left.jobId < right.jobId ? -1 : 1));
  return rounds;
}

async function succeed({ runner }: WriteSession, round: readonly Indexed[]): Promise<readonly number[]> {
  if (round.length === 0) return [];
  const transitions = round.map(([, transition]) => transition);
  const rows = await runner.rows(SUCCEED, [
    numberArray(round.map(([index]) => index)),
    uuidArray(transitions.map(({ jobId }) => jobId)),
    numberArray(transitions.map(({ expected }) => expected.leaseToken)),
    numberArray(transitions.map(({ change }) => wholeMs(change.startedAt))),
    bytesArray(transitions.map(({ change }) => change.result ?? null)),
  ]);
  return rows.map((row) => row[0] as number);
}

async function move({ runner }: WriteSession, round: readonly Indexed[]): Promise<readonly number[]> {
  if (round.length === 0) return [];
  const changes = round.map(([, { change }]) => change);
  const expected = round.map(([, transition]) => transition.expected);
  const rows = await runner.rows(MOVE, [
    numberArray(round.map(([index]) => index)),
    uuidArray(round.map(([, { jobId }]) => jobId)),
    numberArray(expected.map(({ state }) => STATE_CODES[state])),
    numberArray(expected.map(({ leaseToken }) => leaseToken)),
    numberArray(changes.map(({ state }) => STATE_CODES[state])),
    numberArray(changes.map(({ state, runAfterMs }) => (state === "PENDING" ? wholeWait(runAfterMs) : null))),
    bytesArray(changes.map(({ result }) => result ?? null)),
    booleanArray(changes.map(({ error }) => error !== undefined)),
    textArray(changes.map(({ error }) => errorText(error ?? null))),
    numberArray(changes.map(({ attempt }) => attempt ?? null)),
    numberArray(changes.map(({ failures }) => failures ?? null)),
    numberArray(changes.map(({ losses }) => losses ?? null)),
    numberArray(changes.map(({ revokeLease }) => (revokeLease === true ? 1 : 0))),
    numberArray(changes.map(({ startedAt }) => wholeMs(startedAt))),
    booleanArray(changes.map(({ clearDeadlines }) => clearDeadlines === true)),
    booleanArray(changes.map(({ keepWorker }) => keepWorker === true)),
    booleanArray(changes.map(({ ranMs }) => ranMs !== undefined)),
    numberArray(changes.map(({ ranMs }) => ranMs ?? null)),
  ]);
  return rows.map((row) => row[0] as number);
}

/** Records what follows from the moves: counts, hints, dropped waits and attempts. */
async function recordMoves(session: WriteSession, moved: readonly Indexed[]): Promise<void> {
  for (const [, transition] of moved) session.recordMoved(transition);
  await dropWaits(
    session,
    idsOf(moved, ({ expected, change }) => isTerminal(change.state) && mayHaveWaits(expected)),
  );
  await markRecords(
    session,
    moved.map(([, transition]) => transition),
  );
  // After all transitions: a child that is retried with its parent still belongs to it.
  await forgetFailures(
    session,
    idsOf(moved, ({ change }) => change.forgetFailures === true),
  );
  const ended = moved.flatMap(([, transition]) => (transition.ended === null ? [] : [transition.ended]));
  if (ended.length === 0) return;
  await session.runner.rows(RECORD, [
    uuidArray(ended.map(({ jobId }) => jobId)),
    numberArray(ended.map(({ attempt }) => attempt)),
    numberArray(ended.map(({ outcome }) => OUTCOME_CODES[outcome])),
    textArray(ended.map(({ workerId }) => workerId)),
    numberArray(ended.map(({ startedAt }) => wholeMs(startedAt))),
    textArray(ended.map(({ error }) => errorText(error))),
  ]);
}

function idsOf(moved: readonly Indexed[], matches: (transition: Transition) => boolean): readonly string[] {
  return moved.filter(([, transition]) => matches(transition)).map(([, { jobId }]) => jobId);
}

/** Rounds down: the start of an attempt is measured with fractions of a millisecond. */
function wholeMs(time: number | undefined): number | null {
  return time === undefined ? null : Math.floor(time);
}

/** Rounds up, so that nothing happens early. */
function wholeWait(ms: number | undefined): number {
  return Math.ceil(Math.max(ms ?? 0, 0));
}
