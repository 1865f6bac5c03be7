import { randomUUID } from "node:crypto";
import type { Guard } from "../guard.ts";
import type { ClusterPart } from "../seam/cluster.ts";
import type { EventReads } from "../seam/events.ts";
import type { InsertedJobs, JobReads, NewJob } from "../seam/jobs.ts";
import type { ScheduleReads } from "../seam/schedules.ts";
import type { Store, Transaction, TransactOptions } from "../seam/store.ts";
import type { WorkerReads } from "../seam/workers.ts";
import type { WorkflowReads } from "../seam/workflows.ts";
import { HintChannel } from "./cluster/hint-channel.ts";
import { lead, resign } from "./cluster/leader-row.ts";
import { parsePostgresUrl, type PostgresAddress } from "./connection/address.ts";
import { type Timeouts, USUAL_TIMEOUTS } from "./connection/connection.ts";
import { Connections } from "./connection/connections.ts";
import { isDeadlock, toStoreError } from "./connection/faults.ts";
import type { Runner } from "./connection/runner.ts";
import { ServerTime } from "./connection/server-time.ts";
import { nextDueAt } from "./jobs/due-jobs.ts";
import { insertInOneStatement } from "./jobs/insert-in-one-statement.ts";
import type { PruneRounds } from "./jobs/prune-jobs.ts";
import { openDatabase, type OpenedDatabase } from "./opening/open-database.ts";
import { ScheduleReader, scheduleReads } from "./schedules/schedule-reader.ts";
import { FunctionNames } from "./session/functions.ts";
import { JobReader } from "./session/job-reader.ts";
import { WriteSession } from "./session/write-session.ts";
import { jobReads, openTransaction, workflowReads } from "./transactions.ts";
import { workerReads } from "./workers/worker-rows.ts";
import { eventReads } from "./workflows/events.ts";

export interface PostgresStoreOptions {
  /** `postgres://user:password@host:port/database`; `?schema=` names another schema than reseolio. */
  readonly url: string;
  /** Connections for reads, beside the one that writes and the one that listens. */
  readonly readers?: number;
  readonly timeouts?: Partial<Timeouts>;
}

export interface PostgresStore extends Store {
  readonly kind: "postgres";
  /** What an operator should know, to be logged. */
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

/** Maximum number of tries for a transaction that deadlocks. */
const DEADLOCK_TRIES = 5;

class OpenPostgresStore implements PostgresStore {
  readonly kind = "postgres";
  readonly name: string;
  readonly isShared = true;
  readonly orderedSince: number;
  readonly warnings: readonly string[];
  readonly jobs: JobReads;
  readonly workflows: WorkflowReads;
  readonly events: EventReads;
  readonly schedules: ScheduleReads;
  readonly workers: WorkerReads;
  readonly cluster: ClusterPart;
  readonly #isDirect: boolean;
  readonly #time = new ServerTime();
  readonly #connections: Connections;
  readonly #functions: FunctionNames;
  readonly #reads: Runner;
  readonly #reader: JobReader;
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
    this.#channel = new HintChannel({ address, timeouts, session, reads: this.#reads, listenerId: this.#listenerId });
    this.jobs = this.#jobParts();
    this.workflows = workflowReads(this.#reads, this.#reader, this.#guard);
    this.events = eventReads(this.#reads, this.#guard);
    this.schedules = scheduleReads(new ScheduleReader(this.#reads), this.#guard);
    this.workers = workerReads(this.#reader, this.#guard);
    this.cluster = this.#clusterPart();
  }

  transact<T>(work: (tx: Transaction) => Promise<T>, options: TransactOptions = {}): Promise<T> {
    return this.#inTurn(() => this.#runUntilFree(work, options));
  }

  #insertInOneStatement(items: readonly NewJob[]): Promise<InsertedJobs | null> {
    if (!this.#isDirect) return Promise.resolve(null);
    const { name: channel } = this.#channel;
    const writer = { connections: this.#connections, time: this.#time, functions: this.#functions };
    return this.#inTurn(() =>
      this.#guarded(insertInOneStatement({ ...writer, channel, listenerId: this.#listenerId }, items)),
    );
  }

  /** Runs one transaction after the other: there is one connection that writes. */
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

  /** In a deadlock the server rolls back one of the transactions, so it can be run again. */
  async #runUntilFree<T>(work: (tx: Transaction) => Promise<T>, options: TransactOptions): Promise<T> {
    for (let tried = 1; ; tried++) {
      try {
        return await this.#run(work, options);
      } catch (fault) {
        if (tried === DEADLOCK_TRIES || !isDeadlock(fault)) throw toStoreError(fault, this.name);
      }
    }
  }

  async #run<T>(work: (tx: Transaction) => Promise<T>, { readsTimeLate }: TransactOptions): Promise<T> {
    const open = await this.#guarded(this.#connections.begin());
    const session = new WriteSession(open, this.#functions, this.#channel.name, this.#listenerId);
    const tx = openTransaction(session, this.#rounds);
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
    answer((await this.#guarded(this.#reads.rows("select reseolio.now_ms()")))[0]![0] as number);
  }

  nextDueAt(): Promise<number | null> {
    return this.#guarded(nextDueAt(this.#reads));
  }

  /** Counts tables with their indexes; the log belongs to the whole server. */
  async sizeBytes(): Promise<number> {
    return (await this.#guarded(this.#reads.rows(SIZE)))[0]![0] as number;
  }

  async ping(): Promise<void> {
    await this.#guarded(this.#reads.rows(PROBE));
  }

  #clusterPart(): ClusterPart {
    return {
      listen: (onHint) => this.#channel.listen(onHint),
      lead: this.#guard((nodeId, leaseMs, unmoved) => lead(this.#reads, nodeId, leaseMs, unmoved)),
      resign: this.#guard((nodeId) => resign(this.#reads, nodeId)),
    };
  }

  #jobParts(): JobReads {
    const prepared = { runner: this.#reads, functions: this.#functions, reader: this.#reader };
    return jobReads(prepared, this.#guard, (items) => this.#insertInOneStatement(items));
  }

  readonly #guard: Guard =
    (verb) =>
    (...args) =>
      this.#guarded(verb(...args));

  async #guarded<T>(work: T | Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (fault) {
      throw toStoreError(fault, this.name);
    }
  }

  async close(): Promise<void> {
    while (this.#open !== null) await this.#open.catch(() => {});
    await this.#channel.close();
    await this.#connections.close();
  }
}
