import type { Database } from "bun:sqlite";
import { FunctionNames, JobCounters } from "./functions.ts";
import { RunningJobs } from "./running-jobs.ts";
import { jobIdText, LEAST_SKEW_MS, widenSkew, jobIdTime } from "../../rows/job-id.ts";
import type { Row, Query } from "../connection/rows.ts";

const AWAITED = "select distinct awaited_id from checkpoints where awaited_id is not null and recorded_at is null";

const KEY = "id_time_skew_ms";

const READ = "select value from meta where key = ?";

const SAVE = "insert into meta (key, value) values (?, ?) on conflict do update set value = excluded.value";

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
 * Jobs whose end is awaited, in memory: the end of a job that nobody awaits costs no query. May contain jobs that are
 * no longer awaited, so the caller checks the rows.
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
