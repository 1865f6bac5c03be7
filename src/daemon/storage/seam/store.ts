/**
 * The one seam between the engine and a database, in parts by subject: jobs, workflows, events, schedules, workers and
 * cluster. Two implementations behave alike, `sqlite/` and `postgres/`; one suite tests both. Every call is asynchronous
 * and takes a batch. `now` belongs to the store: SQLite reads an injected clock, PostgreSQL its own, so that daemons with
 * different clocks agree.
 *
 * Faults are thrown as `DaemonError`: `resource_exhausted` (disk full), `unavailable` (temporary), `fatal` (the daemon
 * must exit, as after a failed fsync). A transaction that threw wrote nothing, unless the connection broke around
 * COMMIT: then it may have been committed. Every write can be repeated safely.
 */
import type { ClusterPart } from "./cluster.ts";
import type { EventReads, EventWrites } from "./events.ts";
import type { JobReads, JobWrites } from "./jobs.ts";
import type { ScheduleReads, ScheduleWrites } from "./schedules.ts";
import type { WorkerReads, WorkerWrites } from "./workers.ts";
import type { WorkflowReads, WorkflowWrites } from "./workflows.ts";

/** Reads see committed state only and never wait for a writer. */
export interface Store {
  readonly kind: "sqlite" | "postgres";
  /** Absolute path of the file, or host, port and database; never a password. */
  readonly name: string;
  /** Other daemons may write to it at the same time: what this process remembers of it may be out of date. */
  readonly isShared: boolean;
  /**
   * When records began to have an order, in a database that held jobs before; else 0. Jobs created before this time have
   * records without an order.
   */
  readonly orderedSince: number;

  readonly jobs: JobReads;
  readonly workflows: WorkflowReads;
  readonly events: EventReads;
  readonly schedules: ScheduleReads;
  readonly workers: WorkerReads;
  readonly cluster: ClusterPart;

  /**
   * The store's time, as well as it is known without asking: at most a round trip behind or ahead of what a transaction
   * reads. Daemons with different clocks agree on it.
   */
  now(): number;

  /**
   * Runs `work` in one transaction and returns after the commit is on disk (fsync). Calls do not overlap: the commit
   * lane is the only caller. If `work` throws, none of its writes are kept. After a deadlock with another daemon's
   * transaction, `work` is run again from its beginning.
   */
  transact<T>(work: (tx: Transaction) => Promise<T>, options?: TransactOptions): Promise<T>;

  /** As `Transaction.nextDueAt`, of what is committed. */
  nextDueAt(): Promise<number | null>;
  /** Bytes of the database with its log. */
  sizeBytes(): Promise<number>;
  /** Answers when the store can read and write, else throws. For readiness; cheap. */
  ping(): Promise<void>;
  /** Afterwards the store refuses every call. A second call is harmless. */
  close(): Promise<void>;
}

export interface TransactOptions {
  /** The work awaits a verb before it reads `now`: a store behind a network then saves a round trip. */
  readonly readsTimeLate?: boolean;
}

/** The writes, each for a whole batch, and the reads that decide them. Refuses every call once it is over. */
export interface Transaction {
  /** The store's time, the same for the whole transaction. */
  readonly now: number;

  readonly jobs: JobWrites;
  readonly workflows: WorkflowWrites;
  readonly events: EventWrites;
  readonly schedules: ScheduleWrites;
  readonly workers: WorkerWrites;

  /**
   * The earliest time at which one of `jobs.promoteDue`, `jobs.listOverdue`, `workflows.endDueWaits` and `events.spread`
   * finds something.
   */
  nextDueAt(): Promise<number | null>;
  /**
   * Call this after the clock was set: shifts by `byMs` everything that waits for a duration, such as retries and
   * deadlines, and leaves what was asked for by date. A store that uses the database's clock does nothing.
   */
  moveLengths(byMs: number): Promise<void>;
}
