import { DaemonError } from "../../../core/errors.ts";
import type { PostgresAddress } from "./address.ts";
import {
  type Client,
  connect,
  destroy,
  runRows,
  type SessionKind,
  sessionSettings,
  type Timeouts,
} from "./connection.ts";
import { withDeadline } from "./deadline.ts";
import { isLoss } from "./faults.ts";
import type { Param } from "./literals.ts";
import type { Row } from "./rows.ts";
import type { Runner } from "./runner.ts";
import type { ServerTime } from "./server-time.ts";

type Reserved = Awaited<ReturnType<Client["reserve"]>>;

/** Facts that a transaction learns when it begins. */
export interface TransactionFacts {
  /** The database's time, the same for the whole transaction. */
  readonly now: number;
  /** Another daemon wants hints of what this one commits. */
  readonly isListenedTo: boolean;
  /** Another daemon wants every change. */
  readonly isWatched: boolean;
}

/**
 * A transaction whose BEGIN has not been answered yet: the first statement is sent with it. After a failed statement it
 * can only be rolled back.
 */
export interface OpenTransaction extends Runner {
  /** Known when the first statement is answered. */
  readonly facts: Promise<TransactionFacts>;
  /** Sends the last statement and COMMIT together. Returns when the commit is on disk, else throws. */
  commit(last: readonly [sql: string, params: readonly Param[]] | null): Promise<void>;
  /** Never throws: what cannot be rolled back is dropped with its connection. */
  rollback(): Promise<void>;
}

export interface ConnectionsOptions {
  readonly address: PostgresAddress;
  readonly timeouts: Timeouts;
  readonly session: SessionKind;
  /** Connections for reads. */
  readonly readers: number;
  /** The id of this daemon among those who listen for hints. */
  readonly listenerId: string;
  readonly time: ServerTime;
}

const FACTS = `select reseolio.now_ms(), count(*) > 0, coalesce(bool_or(wants_changes), false)
  from reseolio.listeners where listener_id <> $1 and expires_at > (select reseolio.now_ms())`;

/**
 * The connections of one store: one that writes, and a few that read. Each wait has a deadline of our own. When it
 * passes, all connections are dropped: a connection that a firewall dropped reports nothing for a quarter of an hour.
 */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #qualified = new Map<string, string>();
  #readers: Client | null = null;
  #writers: Client | null = null;
  #writer: Reserved | null = null;
  #closed = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** For reads, and for writes that can be repeated: tries once more after a lost connection. */
  readonly reads: Runner = {
    rows: async (sql, params = []) => {
      try {
        return await this.#readRows(sql, params);
      } catch (fault) {
        if (!isLoss(fault)) throw fault;
        return this.#readRows(sql, params);
      }
    },
  };

  #readRows(sql: string, params: readonly Param[]): Promise<readonly Row[]> {
    this.#refuseClosed();
    this.#readers ??= this.#connect(this.#options.readers);
    return this.#bounded(runRows(this.#readers, this.#qualify(sql), params));
  }

  /** A connection that was lost since the last transaction has been dropped by then, so a new one is made. */
  async begin(): Promise<OpenTransaction> {
    this.#refuseClosed();
    const writer = (this.#writer ??= await this.#bounded(this.#openWriter()));
    const rows = (sql: string, params: readonly Param[] = []) =>
      this.#guarded(runRows(writer, this.#qualify(sql), params));
    const answer = this.#options.time.ask();
    const begun = this.#guarded(writer.unsafe(this.#beginText()) as unknown as Promise<unknown>);
    const facts = Promise.all([rows(FACTS, [this.#options.listenerId]), begun]).then(([[row]]) => {
      answer(row![0] as number);
      return { now: row![0] as number, isListenedTo: row![1] as boolean, isWatched: row![2] as boolean };
    });
    // Without BEGIN the first statement runs outside any transaction: nothing more may follow it.
    facts.catch(() => this.#dropWriter());
    return { facts, rows, commit: (last) => this.#commit(writer, rows, last), rollback: () => this.#rollBack(writer) };
  }

  /** Runs one statement as its own transaction; returns when its commit is on disk. Not behind a pooler. */
  async alone(sql: string, params: readonly Param[]): Promise<readonly Row[]> {
    this.#refuseClosed();
    const writer = (this.#writer ??= await this.#bounded(this.#openWriter()));
    return this.#guarded(runRows(writer, this.#qualify(sql), params));
  }

  /** Settings of a session do not hold behind a pooler, so each transaction has its own. */
  #beginText(): string {
    const settings = this.#options.session === "direct" ? [] : Object.entries(sessionSettings(this.#options.timeouts));
    return `begin${settings.map(([name, value]) => `; set local ${name} = '${value}'`).join("")}`;
  }

  async #commit(writer: Reserved, rows: Runner["rows"], last: Parameters<OpenTransaction["commit"]>[0]): Promise<void> {
    const flushed = last === null ? null : rows(...last);
    const done = this.#guarded(writer.unsafe("commit") as unknown as Promise<{ readonly command: string }>);
    const [flush, commit] = await Promise.allSettled([flushed, done]);
    if (flush.status === "rejected") throw flush.reason;
    if (commit.status === "rejected") throw commit.reason;
    if (commit.value.command !== "COMMIT") throw new Error(`COMMIT was answered with ${commit.value.command}`);
  }

  async #rollBack(writer: Reserved): Promise<void> {
    if (this.#writer === writer) await this.#guarded(writer.unsafe("rollback")).catch(() => this.#dropWriter());
  }

  /** A writer whose connection is lost is not used again: its next statement would run outside the transaction. */
  async #guarded<T>(statement: Promise<T>): Promise<T> {
    try {
      return await this.#bounded(statement);
    } catch (fault) {
      if (isLoss(fault)) this.#dropWriter();
      throw fault;
    }
  }

  async #openWriter(): Promise<Reserved> {
    const writers: Client = this.#connect(1, () => {
      if (this.#writers === writers) this.#dropWriter();
    });
    this.#writers = writers;
    return writers.reserve();
  }

  #connect(max: number, onClose?: () => void): Client {
    const { address, timeouts, session } = this.#options;
    return connect({ address, timeouts, session, max, ...(onClose === undefined ? {} : { onClose }) });
  }

  #bounded<T>(work: Promise<T>): Promise<T> {
    const { address, timeouts } = this.#options;
    return withDeadline(work, timeouts.answerMs, `PostgreSQL at ${address.name}`, () => this.drop());
  }

  #qualify(sql: string): string {
    let text = this.#qualified.get(sql);
    if (text === undefined) {
      text = sql.replaceAll("reseolio.", `${this.#options.address.schema}.`);
      this.#qualified.set(sql, text);
    }
    return text;
  }

  #dropWriter(): void {
    const writers = this.#writers;
    this.#writers = null;
    this.#writer = null;
    if (writers !== null) void destroy(writers);
  }

  /** Drops every connection at once; pending statements fail. The next use opens new ones. */
  drop(): void {
    this.#dropWriter();
    const readers = this.#readers;
    this.#readers = null;
    if (readers !== null) void destroy(readers);
  }

  #refuseClosed(): void {
    if (!this.#closed) return;
    throw new DaemonError("unavailable", `the store ${this.#options.address.name} is closed: the daemon is stopping`);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const clients = [this.#writers, this.#readers].filter((client) => client !== null);
    this.#writers = this.#writer = this.#readers = null;
    await Promise.all(clients.map(destroy));
  }
}
