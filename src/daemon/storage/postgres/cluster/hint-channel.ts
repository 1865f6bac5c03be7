import type { HintListener, StoreHint } from "../../seam/cluster.ts";
import type { PostgresAddress } from "../connection/address.ts";
import { type Client, connect, destroy, type SessionKind, type Timeouts } from "../connection/connection.ts";
import { withDeadline } from "../connection/deadline.ts";
import type { Runner } from "../connection/runner.ts";
import { ANY_HINT, readHint } from "./hints.ts";

/** TTL of a listener; afterwards its peers stop sending it hints. */
const LISTENER_MS = 30_000;
/** Interval for renewing that, and for checking that the connection still answers. */
const TICK_MS = 10_000;
const RECONNECT_MS = 1_000;

const REGISTER = `with gone as (delete from reseolio.listeners where expires_at < reseolio.now_ms() - 3600000)
  insert into reseolio.listeners (listener_id, expires_at, wants_changes) values ($1, reseolio.now_ms() + $2::bigint, $3)
  on conflict (listener_id) do update set expires_at = excluded.expires_at, wants_changes = excluded.wants_changes`;
const UNREGISTER = "delete from reseolio.listeners where listener_id = $1";

export interface HintChannelOptions {
  readonly address: PostgresAddress;
  readonly timeouts: Timeouts;
  readonly session: SessionKind;
  readonly reads: Runner;
  readonly listenerId: string;
}

/**
 * LISTEN on its own connection, which is opened again whenever it is lost. The listener then gets a hint of "any".
 * Behind a pooler it never gets a hint.
 */
export class HintChannel {
  /** The channel of NOTIFY; each schema has its own. */
  readonly name: string;
  readonly #options: HintChannelOptions;
  readonly #listeners = new Set<(hint: StoreHint) => void>();
  #client: Client | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #closed = false;
  #wantsChanges = false;

  constructor(options: HintChannelOptions) {
    this.#options = options;
    this.name = `${options.address.schema}_hints`;
  }

  /** Returns when it listens, or when the first try failed: then it keeps trying. */
  async listen(onHint: (hint: StoreHint) => void): Promise<HintListener> {
    const listener = (hint: StoreHint) => onHint(hint);
    this.#listeners.add(listener);
    if (this.#listeners.size === 1 && this.#options.session === "direct") await this.#tick();
    return {
      wantChanges: async (wants) => {
        this.#wantsChanges = wants;
        if (this.#options.session === "direct") await this.#register();
      },
      stop: async () => {
        this.#listeners.delete(listener);
        if (this.#listeners.size === 0) await this.#stop();
      },
    };
  }

  /** Never throws: hints may be lost. */
  async #tick(): Promise<void> {
    let nextMs = TICK_MS;
    try {
      await this.#register();
      if (this.#client === null) await this.#connect();
      else await this.#bounded(this.#client.unsafe("select 1"));
    } catch {
      this.#drop();
      nextMs = RECONNECT_MS;
    }
    this.#again(nextMs);
  }

  async #register(): Promise<void> {
    const { reads, listenerId } = this.#options;
    await reads.rows(REGISTER, [listenerId, LISTENER_MS, this.#wantsChanges]);
  }

  async #connect(): Promise<void> {
    const { address, timeouts, session } = this.#options;
    const client: Client = connect({
      ...{ address, timeouts, session, max: 1 },
      onNotify: (payload) => this.#receive(payload),
      onClose: () => this.#lost(client),
    });
    this.#client = client;
    await this.#bounded(client.unsafe(`listen ${this.name}`));
    this.#tell(ANY_HINT);
  }

  #receive(payload: string): void {
    const hint = readHint(payload, this.#options.listenerId);
    if (hint !== null) this.#tell(hint);
  }

  #tell(hint: StoreHint): void {
    for (const listener of this.#listeners) listener(hint);
  }

  #lost(client: Client): void {
    if (this.#client !== client) return;
    this.#drop();
    this.#again(0);
  }

  #again(ms: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = this.#listeners.size === 0 || this.#closed ? null : setTimeout(() => void this.#tick(), ms);
  }

  #bounded<T>(work: PromiseLike<T>): Promise<T> {
    const { timeouts, address } = this.#options;
    return withDeadline(Promise.resolve(work), timeouts.answerMs, `PostgreSQL at ${address.name}`, () => this.#drop());
  }

  #drop(): void {
    const client = this.#client;
    this.#client = null;
    if (client !== null) void destroy(client);
  }

  async #stop(): Promise<void> {
    this.#again(0);
    if (this.#client === null) return;
    this.#drop();
    // Otherwise peers keep sending a notification per commit until its TTL ends.
    await this.#options.reads.rows(UNREGISTER, [this.#options.listenerId]).catch(() => {});
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#listeners.clear();
    await this.#stop();
  }
}
