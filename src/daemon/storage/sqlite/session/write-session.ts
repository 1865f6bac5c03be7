import type { Database } from "bun:sqlite";
import { AwaitedJobs } from "./awaited-jobs.ts";
import { FunctionNames } from "./function-names.ts";
import { IdTimes } from "./id-times.ts";
import { JobCounters } from "./job-counters.ts";
import { RunningJobs } from "./running-jobs.ts";

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
