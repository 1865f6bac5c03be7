import type { Database } from "bun:sqlite";
import { jobIdText, jobIdTime, LEAST_SKEW_MS, widenSkew } from "../../rows/job-id.ts";
import { STATE_CODES } from "../../rows/job-rows.ts";
import type { Query, Row } from "../connection/rows.ts";
import { FunctionNames, JobCounters } from "./functions.ts";

const AWAITED = "select distinct awaited_id from checkpoints where awaited_id is not null and recorded_at is null";

const KEY = "id_time_skew_ms";

const READ = "select value from meta where key = ?";

const SAVE = "insert into meta (key, value) values (?, ?) on conflict do update set value = excluded.value";

const RUNNING = `select id, rowid, worker_id from jobs
  where function_id = (? + 0) and list_state = 0 and state = 1 order by id limit (? + 0)`;

/** The writer's connection with its state in memory, which follows commit and rollback. */
export class WriteSession {
  readonly db: Database;
  /** The time of the open transaction. */
  now = 0;
  readonly functions: FunctionNames;
  readonly counters: JobCounters;
  readonly idTimes: IdTimes;
  readonly running: RunningJobs;
  readonly awaited: AwaitedJobs;

  constructor(db: Database) {
    this.db = db;
    this.functions = new FunctionNames(db);
    this.counters = new JobCounters(db);
    this.idTimes = new IdTimes(db);
    this.running = new RunningJobs(db, this.functions, this.counters);
    this.awaited = new AwaitedJobs(db);
  }

  /** Writes what was gathered; called last before COMMIT. */
  flush(): void {
    this.counters.flush();
    this.idTimes.flush();
  }

  committed(): void {
    this.functions.committed();
    this.counters.committed();
    this.idTimes.committed();
    this.running.committed();
    this.awaited.committed();
  }

  rolledBack(): void {
    this.functions.rolledBack();
    this.counters.rolledBack();
    this.idTimes.rolledBack();
    this.running.rolledBack();
    this.awaited.rolledBack();
  }
}

/**
 * Jobs that are awaited, in memory, so that the end of any other job costs no query. May contain jobs that are no
 * longer awaited, so the caller checks the rows.
 */
class AwaitedJobs {
  readonly #ids = new Set<string>();
  /** Awaited jobs that ended in the open transaction. */
  #ended: string[] = [];
  /** How many of those `takeEnded` has returned. */
  #taken = 0;

  constructor(db: Database) {
    const awaited = db.prepare(AWAITED);
    for (const row of awaited.values() as Row[]) this.#ids.add(jobIdText(row[0] as Uint8Array));
    awaited.finalize();
  }

  add(jobId: string): void {
    this.#ids.add(jobId);
  }

  addEnd(jobId: string): void {
    if (this.#ids.has(jobId)) this.#ended.push(jobId);
  }

  /** Returns those that ended since the last call. */
  takeEnded(): readonly string[] {
    const ended = this.#ended.slice(this.#taken);
    this.#taken = this.#ended.length;
    return ended;
  }

  committed(): void {
    for (const jobId of this.#ended) this.#ids.delete(jobId);
    this.rolledBack();
  }

  rolledBack(): void {
    if (this.#ended.length > 0) this.#ended = [];
    this.#taken = 0;
  }
}

/** The distance between ids and their jobs' times (`rows/job-id.ts`), in memory: this process is the only writer. */
class IdTimes {
  readonly #save: Query;
  #committed = LEAST_SKEW_MS;
  #current = LEAST_SKEW_MS;

  constructor(db: Database) {
    this.#save = db.prepare(SAVE);
    const row = db.prepare(READ).values(KEY)[0] as Row | undefined;
    if (row !== undefined) this.#committed = this.#current = Number(row[0]);
  }

  get skewMs(): number {
    return this.#current;
  }

  observe(id: Uint8Array, storedAt: number): void {
    this.#current = widenSkew(this.#current, jobIdTime(id), storedAt);
  }

  flush(): void {
    if (this.#current !== this.#committed) this.#save.run(KEY, String(this.#current));
  }

  committed(): void {
    this.#committed = this.#current;
  }

  rolledBack(): void {
    this.#current = this.#committed;
  }
}

export interface RunningJob {
  readonly rowid: number;
  readonly functionId: number;
  readonly workerId: string;
}

/**
 * The jobs that are RUNNING, in memory: there are never more than workers have slots, and no index has to follow each
 * claim. A superset while a transaction is open, so whoever reads here checks the row.
 */
class RunningJobs {
  readonly #jobs = new Map<string, RunningJob>();
  /** The changes of the open transaction: for each claim the entry before it, for each end the entry that it removes. */
  #added: (readonly [string, RunningJob | undefined])[] = [];
  #removed: (readonly [string, RunningJob])[] = [];

  constructor(db: Database, functions: FunctionNames, counters: JobCounters) {
    // Finds jobs that were running at a crash. They are among the oldest live jobs, and the limit ends the scan at the
    // last one.
    const running = db.prepare(RUNNING);
    for (const functionId of functions.ids()) {
      const count = counters.committedCount(functionId, STATE_CODES.RUNNING);
      if (count <= 0) continue;
      for (const row of running.values(functionId, count) as Row[]) {
        const [id, rowid, workerId] = row as [Uint8Array, number, string];
        this.#jobs.set(jobIdText(id), { rowid, functionId, workerId });
      }
    }
    running.finalize();
  }

  find(jobId: string): RunningJob | undefined {
    return this.#jobs.get(jobId);
  }

  ofWorker(workerId: string): readonly string[] {
    return [...this.#jobs].filter(([, job]) => job.workerId === workerId).map(([jobId]) => jobId);
  }

  /** Counts the jobs of each worker, committed or not. */
  countByWorker(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { workerId } of this.#jobs.values()) counts.set(workerId, (counts.get(workerId) ?? 0) + 1);
    return counts;
  }

  ofFunction(functionId: number): readonly string[] {
    return [...this.#jobs].filter(([, job]) => job.functionId === functionId).map(([jobId]) => jobId);
  }

  add(jobId: string, job: RunningJob): void {
    this.#added.push([jobId, this.#jobs.get(jobId)]);
    this.#jobs.set(jobId, job);
  }

  /** Takes effect with the commit: until then others may still see the job running. */
  remove(jobId: string): void {
    const job = this.#jobs.get(jobId);
    if (job !== undefined) this.#removed.push([jobId, job]);
  }

  committed(): void {
    // A job that was claimed again in the same transaction stays.
    for (const [jobId, job] of this.#removed) if (this.#jobs.get(jobId) === job) this.#jobs.delete(jobId);
    this.#forget();
  }

  rolledBack(): void {
    for (const [jobId, before] of this.#added.toReversed()) {
      if (before === undefined) this.#jobs.delete(jobId);
      else this.#jobs.set(jobId, before);
    }
    this.#forget();
  }

  #forget(): void {
    this.#added = [];
    this.#removed = [];
  }
}
