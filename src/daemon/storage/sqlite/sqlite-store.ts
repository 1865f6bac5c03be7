import type { Database } from "bun:sqlite";
import type { Clock } from "../../core/clock.ts";
import { DaemonError } from "../../core/errors.ts";
import type { CheckpointQuery } from "../checkpoint-store.ts";
import { unfinishedCopy } from "../copy-side.ts";
import { ORDERED_SINCE, UNFINISHED_COPY } from "../copy-tables.ts";
import { statusOf } from "../job-status.ts";
import type { ScheduleQuery } from "../schedule-store.ts";
import type { JobStore, JobTransaction } from "../job-store.ts";
import type { Leadership } from "../leadership.ts";
import type { HintListener } from "../store-hint.ts";
import { migrate } from "../migrate.ts";
import {
  fileBytes,
  openReader,
  openWriter,
  pageBytes,
  rollBackCrash,
  sqliteVersion,
  versionWarnings,
} from "./connection.ts";
import { prepareCheckpointReader } from "./checkpoint-rows.ts";
import { hasContent, IN_MEMORY, resolveDatabasePath } from "./database-path.ts";
import { prepareEventReader } from "./events.ts";
import { storeFault } from "./faults.ts";
import { acquireFileLock, type FileLock, type LockOwner } from "./file-lock.ts";
import { JobReader } from "./job-reader.ts";
import { prepareListJobs } from "./list-jobs.ts";
import { SQLITE_MIGRATIONS, sqliteTarget } from "./migrations.ts";
import { ScheduleReader } from "./schedule-reader.ts";
import { prepareSignalReader } from "./signals/send-signals.ts";
import { onSnapshot } from "./maintenance/open-existing.ts";
import type { Query, Row } from "./rows.ts";
import { prepareVerbs, SqliteTransaction, type Verbs } from "./sqlite-transaction.ts";
import { WriteSession } from "./write-session.ts";

export interface SqliteStoreOptions {
  /** Of a file, made when there is none; or ":memory:", which is gone with the store. */
  readonly path: string;
  readonly clock: Clock;
  /** Who is named to a second process that wants the file. */
  readonly owner?: LockOwner;
}

export interface SqliteStore extends JobStore {
  readonly kind: "sqlite";
  /** What a person should know, such as an unsafe library; to be logged. */
  readonly warnings: readonly string[];
}

/**
 * Opens a database file, alone (P18), and migrates it (P20). Throws `failed_precondition` when the file cannot be
 * used, and then nothing was created.
 */
export async function createSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  if (options.path === IN_MEMORY) return openStore(IN_MEMORY, null, options.clock);
  const path = resolveDatabasePath(options.path);
  // Before the lock and the log are made: a file that is not for us keeps its place to itself.
  rollBackCrash(path);
  if (hasContent(path)) await onSnapshot(path, () => {});
  const lock = acquireFileLock(path, options.owner ?? { nodeId: "", address: "" });
  try {
    return await openStore(path, lock, options.clock);
  } catch (fault) {
    lock.release();
    throw storeFault(fault, path);
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

function refuseUnfinishedCopy(db: Database, path: string): void {
  const text = readMeta(db, UNFINISHED_COPY);
  if (text !== undefined) throw unfinishedCopy(path, text);
}

function readMeta(db: Database, key: string): string | undefined {
  // Not prepared once: runs at start only.
  const statement = db.prepare("select value from meta where key = ?");
  const text = (statement.values(key)[0] as Row | undefined)?.[0];
  statement.finalize();
  return text as string | undefined;
}

class OpenSqliteStore implements SqliteStore {
  readonly kind = "sqlite";
  readonly name: string;
  /** One daemon a file (P18). */
  readonly isShared = false;
  readonly orderedSince: number;
  readonly warnings: readonly string[];
  readonly #writer: Database;
  readonly #reader: Database;
  readonly #lock: FileLock | null;
  readonly #clock: Clock;
  readonly #session: WriteSession;
  readonly #verbs: Verbs;
  readonly #reads: JobReader;
  readonly #schedules: ScheduleReader;
  readonly #checkpoints;
  readonly #events;
  readonly #countSignals;
  readonly #listJobs;
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
    this.#verbs = prepareVerbs(this.#session);
    this.#reads = new JobReader(reader, this.#session.functions);
    this.#checkpoints = prepareCheckpointReader(reader);
    this.#events = prepareEventReader(reader);
    this.#countSignals = prepareSignalReader(reader);
    this.#schedules = new ScheduleReader(reader);
    this.#listJobs = prepareListJobs(reader, this.#session, this.#schedules);
    this.#begin = writer.prepare("begin immediate");
    this.#commit = writer.prepare("commit");
    this.#probe = writer.prepare(
      "insert into meta (key, value) values ('probed_at', ?) on conflict do update set value = excluded.value",
    );
  }

  async transact<T>(work: (tx: JobTransaction) => Promise<T>): Promise<T> {
    while (this.#open !== null) await this.#open.catch(() => {});
    const running = this.#run(work);
    this.#open = running;
    try {
      return await running;
    } finally {
      this.#open = null;
    }
  }

  async #run<T>(work: (tx: JobTransaction) => Promise<T>): Promise<T> {
    this.#refuseClosed();
    const tx = new SqliteTransaction(this.#session, this.#verbs, Math.floor(this.#clock.now()));
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
    return this.#told(fault);
  }

  #told(fault: unknown): unknown {
    const told = storeFault(fault, this.name);
    if (told instanceof DaemonError && told.code === "fatal") this.#fault = told;
    return told;
  }

  now(): number {
    return Math.floor(this.#clock.now());
  }

  getJob = (jobId: string) => this.#read(() => this.#reads.getJob(jobId));
  getJobs = (jobIds: readonly string[]) => this.#read(() => this.#reads.getJobs(jobIds));
  listStatuses = (jobIds: readonly string[]) => this.#read(() => this.#reads.getSnapshots(jobIds).map(statusOf));
  listAttempts = (jobId: string, limit: number) => this.#read(() => this.#reads.listAttempts(jobId, limit));
  listJobs = (query: Parameters<JobStore["listJobs"]>[0]) => this.#read(() => this.#listJobs(query));
  countJobs = () => this.#read(() => this.#session.counters.list(this.#session.functions));
  listUndoJobs = (jobIds: readonly string[]) => this.#read(() => this.#reads.listUndoJobs(jobIds));
  listWorkers = () => this.#read(() => this.#reads.listWorkers());
  listCheckpoints = (query: CheckpointQuery) => this.#read(() => this.#checkpoints.page(query));
  listFewCheckpoints = (queries: Parameters<JobStore["listFewCheckpoints"]>[0]) =>
    this.#read(() => this.#checkpoints.few(queries));
  listRecords = (jobId: string, limit: number) => this.#read(() => this.#checkpoints.records(jobId, limit));
  listWaits = (jobId: string) => this.#read(() => this.#checkpoints.waits(jobId));
  listOpenWaits = (jobIds: readonly string[]) => this.#read(() => this.#checkpoints.openWaits(jobIds));
  sumCheckpoints = (jobIds: readonly string[]) => this.#read(() => this.#checkpoints.sums(jobIds));
  findOrdered = (jobIds: readonly string[]) => this.#read(() => this.#checkpoints.ordered(jobIds));
  getEvent = (name: string) => this.#read(() => this.#events.getEvent(name));
  countWaiting = (eventName: string) => this.#read(() => this.#events.countWaiting(eventName));
  countSignals = (jobId: string) => this.#read(() => this.#countSignals(jobId));
  countLeases = () =>
    this.#read(() => [...this.#session.running.countByWorker()].map(([workerId, count]) => ({ workerId, count })));
  getSchedule = (name: string) => this.#read(() => this.#schedules.get(name));
  listSchedules = (query: ScheduleQuery) => this.#read(() => this.#schedules.list(query));
  listTicks = (jobIds: readonly string[]) => this.#read(() => this.#schedules.ticksOf(jobIds));
  /** Its one daemon asks inside the transactions that move what is due. */
  nextDueAt = () => this.transact((tx) => tx.nextDueAt());
  nextTick = () => this.#read(() => ({ now: Math.floor(this.#clock.now()), nextRunAt: this.#schedules.nextRunAt() }));

  sizeBytes(): Promise<number> {
    return this.#read(() => (this.name === IN_MEMORY ? pageBytes(this.#writer) : fileBytes(this.name)));
  }

  async ping(): Promise<void> {
    await this.transact(async () => {
      this.#probe.run(String(Math.floor(this.#clock.now())));
    });
  }

  /** No other daemon can write this file (P18). */
  async listen(): Promise<HintListener> {
    return { wantChanges: async () => {}, stop: async () => {} };
  }

  async lead(nodeId: string, leaseMs: number): Promise<Leadership> {
    return { nodeId, term: 1, expiresAt: this.now() + leaseMs };
  }

  async resign(): Promise<void> {}

  /** Its one writer keeps them short itself. */
  async foldCounters(): Promise<number> {
    return 0;
  }

  async #read<T>(read: () => T): Promise<T> {
    // In memory there is one connection, which would show what is not committed.
    while (this.#reader === this.#writer && this.#open !== null) await this.#open.catch(() => {});
    this.#refuseClosed();
    try {
      return read();
    } catch (fault) {
      throw this.#told(fault);
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
