import { randomUUID } from "node:crypto";
import type { ScheduleQuery } from "../schedule-store.ts";
import type { CheckpointQuery } from "../checkpoint-store.ts";
import type { JobQuery, JobStore, JobToStore, JobTransaction, StoredAlone, TransactOptions } from "../job-store.ts";
import type { Leadership } from "../leadership.ts";
import type { HintListener, StoreHint } from "../store-hint.ts";
import { parsePostgresUrl, type PostgresAddress } from "./address.ts";
import { type Timeouts, USUAL_TIMEOUTS } from "./connection.ts";
import { Connections } from "./connections.ts";
import {
  findOrdered,
  listCheckpoints,
  listFewCheckpoints,
  listRecords,
  listOpenWaits,
  listWaits,
  sumCheckpoints,
} from "./checkpoint-rows.ts";
import { countWaiting, getEvent } from "./events.ts";
import { isDeadlock, storeFault } from "./faults.ts";
import { nextDueAt } from "./due-jobs.ts";
import { FunctionNames } from "./function-names.ts";
import { HintChannel } from "./hint-channel.ts";
import { countJobs, foldCounters } from "./job-counters.ts";
import { JobReader } from "./job-reader.ts";
import { listJobs } from "./list-jobs.ts";
import { type OpenedDatabase, openDatabase } from "./open-database.ts";
import { PostgresTransaction } from "./postgres-transaction.ts";
import { lead, resign } from "./leader-row.ts";
import type { PruneRounds } from "./prune-jobs.ts";
import type { Runner } from "./runner.ts";
import { ServerTime } from "./server-time.ts";
import { ScheduleReader } from "./schedule-reader.ts";
import { countSignals } from "./signals/send-signals.ts";
import { storeAlone } from "./store-alone.ts";
import { WriteSession } from "./write-session.ts";

export interface PostgresStoreOptions {
  /** `postgres://user:password@host:port/database`; `?schema=` names another schema than reseolio. */
  readonly url: string;
  /** Connections for reads, beside the one that writes and the one that listens. */
  readonly readers?: number;
  readonly timeouts?: Partial<Timeouts>;
}

export interface PostgresStore extends JobStore {
  readonly kind: "postgres";
  /** What a person should know, to be logged. */
  readonly warnings: readonly string[];
}

const USUAL_READERS = 3;

const SIZE = `select coalesce(sum(pg_table_size(oid) + pg_indexes_size(oid)), 0)::bigint from pg_class
  where relkind = 'r' and relnamespace = (select relnamespace from pg_class where oid = 'reseolio.jobs'::regclass)`;

const PROBE = `insert into reseolio.meta (key, value) values ('probed_at', reseolio.now_ms()::text)
  on conflict (key) do update set value = excluded.value`;

/**
 * Opens a schema of a database, which any number of daemons may share, and migrates it (P20). Throws
 * `failed_precondition` with what to change when it cannot be used, `unavailable` when no server answers.
 */
export async function createPostgresStore(options: PostgresStoreOptions): Promise<PostgresStore> {
  const address = parsePostgresUrl(options.url);
  const timeouts = { ...USUAL_TIMEOUTS, ...options.timeouts };
  const opened = await openDatabase(address, timeouts);
  const store = new OpenPostgresStore(address, timeouts, opened, options.readers ?? USUAL_READERS);
  try {
    await store.readTime();
  } catch (fault) {
    await store.close();
    throw fault;
  }
  return store;
}

/** Another transaction may be in the way again; more often than this it is a fault. */
const DEADLOCK_TRIES = 5;

class OpenPostgresStore implements PostgresStore {
  readonly kind = "postgres";
  readonly name: string;
  readonly isShared = true;
  readonly orderedSince: number;
  readonly warnings: readonly string[];
  readonly #isDirect: boolean;
  readonly #time = new ServerTime();
  readonly #connections: Connections;
  readonly #functions: FunctionNames;
  readonly #reads: Runner;
  readonly #reader: JobReader;
  readonly #schedules: ScheduleReader;
  readonly #channel: HintChannel;
  readonly #listenerId = randomUUID();
  readonly #rounds: PruneRounds = new Map();
  /** The transaction that is open; settles when it is over. */
  #open: Promise<unknown> | null = null;

  constructor(address: PostgresAddress, timeouts: Timeouts, opened: OpenedDatabase, readers: number) {
    this.name = address.name;
    this.warnings = opened.warnings;
    this.orderedSince = opened.orderedSince;
    const { session } = opened;
    this.#isDirect = session === "direct";
    this.#connections = new Connections({
      ...{ address, timeouts, session, readers },
      listenerId: this.#listenerId,
      time: this.#time,
    });
    this.#reads = this.#connections.reads;
    this.#functions = new FunctionNames(this.#reads);
    this.#reader = new JobReader(this.#reads, this.#functions);
    this.#schedules = new ScheduleReader(this.#reads);
    this.#channel = new HintChannel({ address, timeouts, session, reads: this.#reads, listenerId: this.#listenerId });
  }

  transact<T>(work: (tx: JobTransaction) => Promise<T>, options: TransactOptions = {}): Promise<T> {
    return this.#inTurn(() => this.#runUntilFree(work, options));
  }

  storeAlone(items: readonly JobToStore[]): Promise<StoredAlone | null> {
    if (!this.#isDirect) return Promise.resolve(null);
    const { name: channel } = this.#channel;
    const writer = { connections: this.#connections, time: this.#time, functions: this.#functions };
    return this.#inTurn(() => this.#told(storeAlone({ ...writer, channel, listenerId: this.#listenerId }, items)));
  }

  /** One after the other: there is one connection that writes. */
  async #inTurn<T>(run: () => Promise<T>): Promise<T> {
    while (this.#open !== null) await this.#open.catch(() => {});
    const running = run();
    this.#open = running;
    try {
      return await running;
    } finally {
      this.#open = null;
    }
  }

  /** The server ends one of those that wait for each other; nothing of it happened, so it can be run again. */
  async #runUntilFree<T>(work: (tx: JobTransaction) => Promise<T>, options: TransactOptions): Promise<T> {
    for (let tried = 1; ; tried++) {
      try {
        return await this.#run(work, options);
      } catch (fault) {
        if (tried === DEADLOCK_TRIES || !isDeadlock(fault)) throw storeFault(fault, this.name);
      }
    }
  }

  async #run<T>(work: (tx: JobTransaction) => Promise<T>, { readsTimeLate }: TransactOptions): Promise<T> {
    const open = await this.#told(this.#connections.begin());
    const session = new WriteSession(open, this.#functions, this.#channel.name, this.#listenerId);
    const tx = new PostgresTransaction(session, this.#rounds);
    try {
      if (readsTimeLate !== true) await open.facts;
      const result = await work(tx);
      tx.end();
      await open.commit(await session.flush());
      return result;
    } catch (fault) {
      tx.end();
      await open.rollback();
      throw fault;
    }
  }

  now(): number {
    return this.#time.now();
  }

  async readTime(): Promise<void> {
    const answer = this.#time.ask();
    answer((await this.#told(this.#reads.rows("select reseolio.now_ms()")))[0]![0] as number);
  }

  getJob = (jobId: string) => this.#told(this.#reader.getJob(jobId));
  getJobs = (jobIds: readonly string[]) => this.#told(this.#reader.getJobs(jobIds));
  listStatuses = (jobIds: readonly string[]) => this.#told(this.#reader.listStatuses(jobIds));
  listAttempts = (jobId: string, limit: number) => this.#told(this.#reader.listAttempts(jobId, limit));
  listJobs = (query: JobQuery) => this.#told(listJobs(this.#reads, this.#functions, this.#reader, query));
  countJobs = () => this.#told(countJobs(this.#reads));
  listWorkers = () => this.#told(this.#reader.listWorkers());
  countLeases = () => this.#told(this.#reader.countLeases());
  getSchedule = (name: string) => this.#told(this.#schedules.get(name));
  listSchedules = (query: ScheduleQuery) => this.#told(this.#schedules.list(query));
  listTicks = (jobIds: readonly string[]) => this.#told(this.#schedules.ticksOf(jobIds));
  nextDueAt = () => this.#told(nextDueAt(this.#reads));
  nextTick = () => this.#told(this.#schedules.nextTick());
  lead = (nodeId: string, leaseMs: number, unmoved: Leadership | null) =>
    this.#told(lead(this.#reads, nodeId, leaseMs, unmoved));
  resign = (nodeId: string) => this.#told(resign(this.#reads, nodeId));
  listCheckpoints = (query: CheckpointQuery) => this.#told(listCheckpoints(this.#reads, query));
  listFewCheckpoints = (queries: Parameters<JobStore["listFewCheckpoints"]>[0]) =>
    this.#told(listFewCheckpoints(this.#reads, queries));
  listRecords = (jobId: string, limit: number) => this.#told(listRecords(this.#reads, jobId, limit));
  listWaits = (jobId: string) => this.#told(listWaits(this.#reads, jobId));
  listOpenWaits = (jobIds: readonly string[]) => this.#told(listOpenWaits(this.#reads, jobIds));
  sumCheckpoints = (jobIds: readonly string[]) => this.#told(sumCheckpoints(this.#reads, jobIds));
  findOrdered = (jobIds: readonly string[]) => this.#told(findOrdered(this.#reads, jobIds));
  getEvent = (name: string) => this.#told(getEvent(this.#reads, name));
  countWaiting = (eventName: string) => this.#told(countWaiting(this.#reads, eventName));
  listUndoJobs = (jobIds: readonly string[]) => this.#told(this.#reader.listUndoJobs(jobIds));
  countSignals = (jobId: string) => this.#told(countSignals(this.#reads, jobId));
  foldCounters = () => this.#told(foldCounters(this.#reads));

  /** Tables with their indexes; the log is the whole server's. */
  async sizeBytes(): Promise<number> {
    return (await this.#told(this.#reads.rows(SIZE)))[0]![0] as number;
  }

  async ping(): Promise<void> {
    await this.#told(this.#reads.rows(PROBE));
  }

  listen(onHint: (hint: StoreHint) => void): Promise<HintListener> {
    return this.#channel.listen(onHint);
  }

  async #told<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (fault) {
      throw storeFault(fault, this.name);
    }
  }

  async close(): Promise<void> {
    while (this.#open !== null) await this.#open.catch(() => {});
    await this.#channel.close();
    await this.#connections.close();
  }
}
