import type { Database } from "bun:sqlite";
import type { Clock } from "../../core/clock.ts";
import { DaemonError } from "../../core/errors.ts";
import { ORDERED_SINCE } from "../copy/copy-tables.ts";
import type { Guard } from "../guard.ts";
import { migrate } from "../migrate.ts";
import type { OpenTransaction } from "../open-transaction.ts";
import type { ClusterPart } from "../seam/cluster.ts";
import type { EventReads } from "../seam/events.ts";
import type { JobReads } from "../seam/jobs.ts";
import type { ScheduleReads } from "../seam/schedules.ts";
import type { Store, Transaction } from "../seam/store.ts";
import type { WorkerReads } from "../seam/workers.ts";
import type { WorkflowReads } from "../seam/workflows.ts";
import { aloneInCluster } from "./alone-in-cluster.ts";
import {
  fileBytes,
  openReader,
  openWriter,
  pageBytes,
  rollBackCrash,
  sqliteVersion,
  versionWarnings,
} from "./connection/connection.ts";
import { hasContent, IN_MEMORY, resolveDatabasePath } from "./connection/database-path.ts";
import { toStoreError } from "./connection/faults.ts";
import { acquireFileLock, type FileLock, type LockOwner } from "./connection/file-lock.ts";
import type { Query } from "./connection/rows.ts";
import { SQLITE_MIGRATIONS, sqliteTarget } from "./migrations/migrations.ts";
import { readMeta, refuseUnfinishedCopy } from "./opening/meta.ts";
import { onSnapshot } from "./opening/open-existing.ts";
import { prepareScheduleReads, ScheduleReader } from "./schedules/schedule-reader.ts";
import { JobReader } from "./session/job-reader.ts";
import { WriteSession } from "./session/write-session.ts";
import { prepareJobReads, prepareTransactions, prepareWorkflowReads } from "./transactions.ts";
import { prepareWorkerReads } from "./workers/worker-rows.ts";
import { prepareEventReads } from "./workflows/events.ts";

const PROBE = "insert into meta (key, value) values ('probed_at', ?) on conflict do update set value = excluded.value";

export interface SqliteStoreOptions {
  /** Path of a file, created if it does not exist; or ":memory:", which is lost when the store closes. */
  readonly path: string;
  readonly clock: Clock;
  /** Holder of the file as shown to a second process that wants it. */
  readonly owner?: LockOwner;
}

export interface SqliteStore extends Store {
  readonly kind: "sqlite";
  /** What an operator should know, such as an unsafe library; to be logged. */
  readonly warnings: readonly string[];
}

/**
 * Opens a database file, alone (P18), and migrates it (P20). Throws `failed_precondition` when the file cannot be
 * used, and then nothing was created.
 */
export async function createSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  if (options.path === IN_MEMORY) return openStore(IN_MEMORY, null, options.clock);
  const path = resolveDatabasePath(options.path);
  // Runs before the lock and the log are created, so that nothing is created beside a file that this store refuses.
  rollBackCrash(path);
  if (hasContent(path)) await onSnapshot(path, () => {});
  const lock = acquireFileLock(path, options.owner ?? { nodeId: "", address: "" });
  try {
    return await openStore(path, lock, options.clock);
  } catch (fault) {
    lock.release();
    throw toStoreError(fault, path);
  }
}

async function openStore(path: string, lock: FileLock | null, clock: Clock): Promise<SqliteStore> {
  const writer = openWriter(path);
  try {
    await migrate(sqliteTarget(writer, path), SQLITE_MIGRATIONS);
    refuseUnfinishedCopy(writer, path);
    return new OpenSqliteStore(path, writer, path === IN_MEMORY ? writer : openReader(path), lock, clock);
  } catch (fault) {
    writer.close(true);
    throw fault;
  }
}

class OpenSqliteStore implements SqliteStore {
  readonly kind = "sqlite";
  readonly name: string;
  /** One daemon per file (P18). */
  readonly isShared = false;
  readonly orderedSince: number;
  readonly warnings: readonly string[];
  readonly jobs: JobReads;
  readonly workflows: WorkflowReads;
  readonly events: EventReads;
  readonly schedules: ScheduleReads;
  readonly workers: WorkerReads;
  readonly cluster: ClusterPart = aloneInCluster(() => this.now());
  readonly #writer: Database;
  readonly #reader: Database;
  readonly #lock: FileLock | null;
  readonly #clock: Clock;
  readonly #session: WriteSession;
  readonly #beginTransaction: (now: number) => OpenTransaction;
  readonly #begin: Query;
  readonly #commit: Query;
  readonly #probe: Query;
  /** The transaction that is open; settles when it is over. */
  #open: Promise<unknown> | null = null;
  #fault: DaemonError | null = null;
  #closed = false;

  constructor(path: string, writer: Database, reader: Database, lock: FileLock | null, clock: Clock) {
    this.name = path;
    this.#writer = writer;
    this.#reader = reader;
    this.#lock = lock;
    this.#clock = clock;
    this.warnings = versionWarnings(sqliteVersion(writer));
    this.orderedSince = Number(readMeta(writer, ORDERED_SINCE) ?? 0);
    this.#session = new WriteSession(writer);
    this.#beginTransaction = prepareTransactions(this.#session);
    const jobs = new JobReader(reader, this.#session.functions);
    const schedules = new ScheduleReader(reader);
    this.jobs = prepareJobReads(reader, this.#session, jobs, schedules, this.#guard);
    this.workflows = prepareWorkflowReads(reader, jobs, this.#guard);
    this.events = prepareEventReads(reader, this.#guard);
    this.schedules = prepareScheduleReads(schedules, () => this.now(), this.#guard);
    this.workers = prepareWorkerReads(this.#session, jobs, this.#guard);
    this.#begin = writer.prepare("begin immediate");
    this.#commit = writer.prepare("commit");
    this.#probe = writer.prepare(PROBE);
  }

  async transact<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    while (this.#open !== null) await this.#open.catch(() => {});
    const running = this.#run(work);
    this.#open = running;
    try {
      return await running;
    } finally {
      this.#open = null;
    }
  }

  async #run<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    this.#refuseClosed();
    const tx = this.#beginTransaction(this.now());
    try {
      this.#begin.run();
      const result = await work(tx);
      this.#session.flush();
      this.#commit.run();
      this.#session.committed();
      return result;
    } catch (fault) {
      throw this.#rollBack(fault);
    } finally {
      tx.end();
    }
  }

  #rollBack(fault: unknown): unknown {
    // SQLite has rolled back by itself after some faults, such as a full disk.
    if (this.#writer.inTransaction) this.#writer.run("rollback");
    this.#session.rolledBack();
    return this.#toStoreError(fault);
  }

  #toStoreError(fault: unknown): unknown {
    const error = toStoreError(fault, this.name);
    if (error instanceof DaemonError && error.code === "fatal") this.#fault = error;
    return error;
  }

  now(): number {
    return Math.floor(this.#clock.now());
  }

  /** Its one daemon asks inside the transactions that move what is due. */
  nextDueAt(): Promise<number | null> {
    return this.transact((tx) => tx.nextDueAt());
  }

  sizeBytes(): Promise<number> {
    return this.#read(() => (this.name === IN_MEMORY ? pageBytes(this.#writer) : fileBytes(this.name)));
  }

  readonly #guard: Guard =
    (verb) =>
    (...args) =>
      this.#read(() => verb(...args));

  async ping(): Promise<void> {
    await this.transact(async () => {
      this.#probe.run(String(Math.floor(this.#clock.now())));
    });
  }

  async #read<T>(read: () => T | Promise<T>): Promise<T> {
    // In memory there is one connection, which would show what is not committed.
    while (this.#reader === this.#writer && this.#open !== null) await this.#open.catch(() => {});
    this.#refuseClosed();
    try {
      return await read();
    } catch (fault) {
      throw this.#toStoreError(fault);
    }
  }

  #refuseClosed(): void {
    if (this.#fault !== null) throw this.#fault;
    if (this.#closed) throw new DaemonError("unavailable", `the store ${this.name} is closed: the daemon is stopping`);
  }

  async close(): Promise<void> {
    while (this.#open !== null) await this.#open.catch(() => {});
    if (this.#closed) return;
    this.#closed = true;
    // `true` frees the prepared statements too: else file and log stay open.
    if (this.#reader !== this.#writer) this.#reader.close(true);
    this.#writer.close(true);
    this.#lock?.release();
  }
}
