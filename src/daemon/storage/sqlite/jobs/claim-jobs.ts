import type { Job } from "../../../core/job.ts";
import { JOB_COLUMN_NAMES, STATE_CODES } from "../../rows/job-rows.ts";
import type { ClaimDemand, ClaimedJobs, ResumeDemand } from "../../seam/jobs.ts";
import { JOB_COLUMNS, type Query, type Row } from "../connection/rows.ts";
import type { JobReader } from "../session/job-reader.ts";
import type { WriteSession } from "../session/write-session.ts";

export interface ClaimJobs {
  claim(demands: readonly ClaimDemand[]): readonly ClaimedJobs[];
  resume(demands: readonly ResumeDemand[]): readonly ClaimedJobs[];
}

/** Maximum number of overdue rows that one claim skips; the engine cancels them, so they do not accumulate. */
const OVERDUE_BUDGET = 1_000;

const READY = `select ${JOB_COLUMNS}, rowid, deadline_at from jobs
  where function_id = (? + 0) and is_ready = 1
  order by priority desc, run_at, id limit (? + 0) offset (? + 0)`;

/** A job that was parked continues its attempt. */
const LEASE = `update jobs set state = 1, is_ready = null, deadline_at = finish_by, attempt = attempt + (ran_ms is null),
  lease_token = lease_token + 1, worker_id = ?, started_at = ?`;

const LEASE_ONE = `${LEASE} where rowid = ?`;

const LEASE_FIRST = `${LEASE} where rowid in (
    select rowid from jobs where function_id = (? + 0) and is_ready = 1
    order by priority desc, run_at, id limit (? + 0)
  )`;

const RESUME = `select ${JOB_COLUMNS}, rowid, deadline_at from jobs
  where worker_id = ? and state = 0 order by run_at limit (? + 0)`;

/** Indexes of columns in a row of JOB_COLUMNS, and of the two after them. */
const FUNCTION_ID = JOB_COLUMN_NAMES.indexOf("function_id");
const STATE = JOB_COLUMN_NAMES.indexOf("state");
const PRIORITY = JOB_COLUMN_NAMES.indexOf("priority");
const RUN_AT = JOB_COLUMN_NAMES.indexOf("run_at");
const LEASE_TOKEN = JOB_COLUMN_NAMES.indexOf("lease_token");
const ATTEMPT = JOB_COLUMN_NAMES.indexOf("attempt");
const STARTED_AT = JOB_COLUMN_NAMES.indexOf("started_at");
const WORKER_ID = JOB_COLUMN_NAMES.indexOf("worker_id");
const RAN_MS = JOB_COLUMN_NAMES.indexOf("ran_ms");
const ROWID = JOB_COLUMN_NAMES.length;
const DEADLINE_AT = ROWID + 1;

/** @param reader on the writer's connection */
export function prepareClaimJobs(session: WriteSession, reader: JobReader): ClaimJobs {
  const takeLeases = prepareTakeLeases(session, reader);
  const claim = prepareClaim(session, takeLeases);
  const resume = prepareResume(session, takeLeases);
  return {
    claim: (demands) => demands.map((demand) => claim(demand, session.now)),
    resume: (demands) => demands.map((demand) => resume(demand, session.now)),
  };
}

function prepareResume({ db, counters }: WriteSession, leases: TakeLeases) {
  const woken = db.prepare(RESUME);
  return ({ workerId, limit }: ResumeDemand, now: number): ClaimedJobs => {
    const rows = (woken.values(workerId, limit) as Row[]).filter((row) => !isOverdue(row, now));
    for (const row of rows) {
      leases.one(row, workerId, now);
      counters.move(row[FUNCTION_ID] as number, STATE_CODES.PENDING, STATE_CODES.RUNNING);
    }
    return { workerId, jobs: rows.map((row) => leases.jobOf(row, workerId, now)), maybeMore: [] };
  };
}

function prepareClaim({ db, functions, counters }: WriteSession, leases: TakeLeases) {
  const ready = db.prepare(READY);

  function readyQueues(demand: ClaimDemand, now: number): readonly ReadyQueue[] {
    const ids = demand.functionNames
      .map((name) => functions.find(name))
      .filter((id) => id !== undefined && counters.current(id, STATE_CODES.PENDING) > 0);
    const unique = [...new Set(ids as number[])];
    const firstLook = unique.length === 1 ? demand.limit : Math.ceil((2 * demand.limit) / unique.length) + 1;
    return unique.map((id) => new ReadyQueue(ready, id, now, firstLook));
  }

  return (demand: ClaimDemand, now: number): ClaimedJobs => {
    const { workerId, limit } = demand;
    const queues = readyQueues(demand, now);
    const rows = merge(queues, limit);
    for (const queue of queues) leases.taken(queue, workerId, now);
    const jobs = rows.map((row) => leases.jobOf(row, workerId, now));
    const maybeMore = queues.filter((queue) => queue.mayHaveMore).map((queue) => functions.nameOf(queue.functionId));
    return { workerId, jobs, maybeMore };
  };
}

interface TakeLeases {
  /** Leases the rows that were taken from a queue. */
  taken(queue: ReadyQueue, workerId: string, now: number): void;
  one(row: Row, workerId: string, now: number): number;
  /** The job as the lease leaves it. */
  jobOf(row: Row, workerId: string, now: number): Job;
}

function prepareTakeLeases({ db, counters, running }: WriteSession, reader: JobReader): TakeLeases {
  const leaseOne = db.prepare(LEASE_ONE);
  const leaseFirst = db.prepare(LEASE_FIRST);

  function one(row: Row, workerId: string, now: number): number {
    return leaseOne.run(workerId, now, row[ROWID]!).changes;
  }

  return {
    one,
    taken(queue, workerId, now) {
      const { functionId, taken } = queue;
      if (taken.length === 0) return;
      // The rows taken are the first of the queue, so one statement finds them again, unless some were skipped.
      const leased =
        queue.passedOver > 0 || taken.length === 1
          ? taken.reduce((sum, row) => sum + one(row, workerId, now), 0)
          : leaseFirst.run(workerId, now, functionId, taken.length).changes;
      if (leased !== taken.length)
        throw new Error(`${leased} jobs were leased instead of the ${taken.length} that were read`);
      counters.add(functionId, STATE_CODES.PENDING, -taken.length);
      counters.add(functionId, STATE_CODES.RUNNING, taken.length);
    },
    jobOf(row, workerId, now) {
      row[STATE] = STATE_CODES.RUNNING;
      row[LEASE_TOKEN] = (row[LEASE_TOKEN] as number) + 1;
      row[ATTEMPT] = (row[ATTEMPT] as number) + (row[RAN_MS] === null ? 1 : 0);
      row[STARTED_AT] = now;
      row[WORKER_ID] = workerId;
      const job = reader.jobOf(row);
      running.add(job.jobId, { rowid: row[ROWID] as number, functionId: row[FUNCTION_ID] as number, workerId });
      return job;
    },
  };
}

/** The ready jobs of one function in claim order, read in batches as needed. */
class ReadyQueue {
  readonly functionId: number;
  readonly #statement: Query;
  readonly #now: number;
  #look: number;
  #rows: Row[] = [];
  #next = 0;
  #offset = 0;
  #ended = false;
  /** Rows given to the demand, from the head of the queue. */
  readonly taken: Row[] = [];
  /** Overdue rows among those that were read. */
  passedOver = 0;

  constructor(statement: Query, functionId: number, now: number, look: number) {
    this.#statement = statement;
    this.functionId = functionId;
    this.#now = now;
    this.#look = look;
  }

  get mayHaveMore(): boolean {
    return !this.#ended || this.#next < this.#rows.length;
  }

  head(): Row | undefined {
    while (this.#next === this.#rows.length && !this.#ended && this.passedOver < OVERDUE_BUDGET) this.#refill();
    return this.#rows[this.#next];
  }

  take(): Row {
    const row = this.head()!;
    this.taken.push(row);
    this.#next++;
    return row;
  }

  #refill(): void {
    const rows = this.#statement.values(this.functionId, this.#look, this.#offset) as Row[];
    this.#ended = rows.length < this.#look;
    this.#offset += rows.length;
    this.#rows = rows.filter((row) => !isOverdue(row, this.#now));
    this.passedOver += rows.length - this.#rows.length;
    this.#next = 0;
    this.#look = Math.min(this.#look * 2, 512);
  }
}

function isOverdue(row: Row, now: number): boolean {
  const deadline = row[DEADLINE_AT] as number | null;
  return deadline !== null && deadline <= now;
}

function merge(queues: readonly ReadyQueue[], limit: number): readonly Row[] {
  const rows: Row[] = [];
  while (rows.length < limit) {
    const first = earliest(queues);
    if (first === null) break;
    rows.push(first.take());
  }
  return rows;
}

function earliest(queues: readonly ReadyQueue[]): ReadyQueue | null {
  let best: ReadyQueue | null = null;
  for (const queue of queues) {
    const head = queue.head();
    if (head !== undefined && (best === null || isBefore(head, best.head()!))) best = queue;
  }
  return best;
}

function isBefore(left: Row, right: Row): boolean {
  if (left[PRIORITY] !== right[PRIORITY]) return (left[PRIORITY] as number) > (right[PRIORITY] as number);
  if (left[RUN_AT] !== right[RUN_AT]) return (left[RUN_AT] as number) < (right[RUN_AT] as number);
  return Buffer.compare(left[0] as Uint8Array, right[0] as Uint8Array) < 0;
}
