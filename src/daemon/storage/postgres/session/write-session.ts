import { DaemonError } from "../../../core/errors.ts";
import type { Transition } from "../../../core/job-machine.ts";
import { isTerminal, type Job } from "../../../core/job.ts";
import { LEAST_SKEW_MS, widenSkew } from "../../rows/job-id.ts";
import { STATE_CODES } from "../../rows/job-rows.ts";
import type { StoredJob } from "../../seam/workflows.ts";
import { type Changes, changeTexts, type Hints, hintText, newChanges, newHints } from "../cluster/hints.ts";
import type { OpenTransaction } from "../connection/connections.ts";
import { type Param, textArray } from "../connection/literals.ts";
import type { Runner } from "../connection/runner.ts";
import { type FunctionNames, JobCounters } from "./functions.ts";
import { JobReader } from "./job-reader.ts";

/** Writes all that a transaction gathered in one statement, sent with its COMMIT. */
const FLUSH = `with counted as (
    insert into reseolio.job_count_deltas (function_id, state, delta)
    select given.* from unnest($1::int[], $2::smallint[], $3::bigint[]) as given
  ),
  widened as (
    insert into reseolio.meta as known (key, value) select 'id_time_skew_ms', $4::text where $4::text is not null
    on conflict (key) do update set value = greatest(known.value::bigint, excluded.value::bigint)::text
  )
  select pg_notify($5, hint) from unnest($6::text[]) as hint`;

const READ = "select value::bigint from reseolio.meta where key = 'id_time_skew_ms'";

/** State that the writes of one transaction share, and what they gather for its end. */
export class WriteSession {
  /** Runs statements inside the open transaction. */
  readonly runner: OpenTransaction;
  readonly functions: FunctionNames;
  /** Holds the jobs that it reads until the end of the transaction. */
  readonly reader: JobReader;
  readonly counters = new JobCounters();
  readonly idTimes = new IdTimes();
  readonly hints: Hints = newHints();
  readonly #changes: Changes = newChanges();
  /** Jobs that awaited others which ended, until `takeAwaiters`. */
  readonly awaiters = new Set<string>();
  #now: number | null = null;
  readonly #channel: string;
  readonly #listenerId: string;

  constructor(runner: OpenTransaction, functions: FunctionNames, channel: string, listenerId: string) {
    this.runner = runner;
    this.functions = functions;
    this.reader = new JobReader(runner, functions, "hold");
    this.#channel = channel;
    this.#listenerId = listenerId;
    runner.facts.then(
      ({ now }) => (this.#now = now),
      () => {},
    );
  }

  recordStored(item: StoredJob, isReady: boolean): void {
    this.counters.add(this.functions.idOf(item.functionName), STATE_CODES.PENDING, 1);
    if (isReady) this.hints.readyFunctions.add(item.functionName);
    this.#changes.stored.push(item);
  }

  recordLeased(job: Job): void {
    this.counters.move(this.functions.idOf(job.functionName), STATE_CODES.PENDING, STATE_CODES.RUNNING);
    this.#changes.leased.push(job);
  }

  recordMoved(transition: Transition): void {
    const { jobId, functionName, expected, change, workerId } = transition;
    this.#changes.moved.push(transition);
    this.counters.move(this.functions.idOf(functionName), STATE_CODES[expected.state], STATE_CODES[change.state]);
    if (change.state === "PENDING" && (change.runAfterMs ?? 0) <= 0) this.hints.readyFunctions.add(functionName);
    if (change.keepWorker === true && workerId !== null) this.hints.workerIds.add(workerId);
    // A job that ended may be awaited elsewhere, and one that was taken from its worker may run there.
    if (isTerminal(change.state) || change.revokeLease === true) this.hints.jobIds.add(jobId);
  }

  /** The transaction's time as far as it is known: only after the first statement has answered. */
  get knownNow(): number {
    if (this.#now === null) throw new DaemonError("internal", "the time is not known yet: await a verb first");
    return this.#now;
  }

  /** The transaction's time. Known at once after the first statement. */
  async now(): Promise<number> {
    return (await this.runner.facts).now;
  }

  /** Jobs that awaited jobs that have ended since the last call. */
  takeAwaiters(): readonly string[] {
    if (this.awaiters.size === 0) return [];
    const jobIds = [...this.awaiters];
    this.awaiters.clear();
    return jobIds;
  }

  /** The statement that writes what was gathered, to be sent just before COMMIT; null when there is nothing. */
  async flush(): Promise<readonly [sql: string, params: readonly Param[]] | null> {
    const { isListenedTo, isWatched, now } = await this.runner.facts;
    const deltas = this.counters.take();
    const widened = this.idTimes.widened();
    const hint = isListenedTo ? hintText(this.hints, this.#listenerId) : null;
    const changes = isWatched ? changeTexts(this.#changes, now, this.#listenerId) : [];
    const texts = hint === null ? changes : [hint, ...changes];
    if (deltas === null && widened === null && texts.length === 0) return null;
    const [functionIds, states, counts] = deltas ?? ["{}", "{}", "{}"];
    const skew = widened === null ? null : String(widened);
    return [FLUSH, [functionIds, states, counts, skew, this.#channel, textArray(texts)]];
  }
}

/**
 * How far the time inside a job's id is from the time at which the job was stored, at most, in one transaction; see
 * `rows/job-id.ts`. Other daemons may know wider distances, so readers ask the database.
 */
class IdTimes {
  #skewMs = LEAST_SKEW_MS;

  observe(jobId: string, storedAt: number): void {
    this.#skewMs = widenSkew(this.#skewMs, timeOf(jobId), storedAt);
  }

  /** The widest distance, when it exceeds the least one; else null. */
  widened(): number | null {
    return this.#skewMs === LEAST_SKEW_MS ? null : this.#skewMs;
  }
}

/** Whether the id's time is within the least distance, even when `now` is off by so much. */
export function isUsualTime(jobId: string, now: number, byMs: number): boolean {
  return Math.abs(timeOf(jobId) - now) <= LEAST_SKEW_MS - byMs;
}

/** The widest distance of all daemons. */
export async function readIdTimeSkew(runner: Runner): Promise<number> {
  return ((await runner.rows(READ))[0]?.[0] as number | undefined) ?? LEAST_SKEW_MS;
}

/** The time inside a UUIDv7; for other UUIDs some number. */
function timeOf(jobId: string): number {
  return Number.parseInt(jobId.slice(0, 8) + jobId.slice(9, 13), 16);
}
