import type { Connection } from "./connection.ts";
import { ReseolioError } from "./errors.ts";

type Stage =
  | { readonly kind: "stopped" }
  | { readonly kind: "started"; readonly connection: Connection; readonly ready: Promise<void> }
  | { readonly kind: "stopping"; readonly connection: Connection; readonly done: Promise<void> };

export interface LifecycleOptions {
  /** Makes the connection of one start; it is not open yet. */
  readonly connect: () => Connection;
  readonly drainTimeoutMs: number;
  readonly onReady: () => void;
  readonly onStopped: () => void;
}

/** Whether a client is started, and its connection from the start to the end of the stop. */
export class Lifecycle {
  readonly #options: LifecycleOptions;
  #stage: Stage = { kind: "stopped" };

  constructor(options: LifecycleOptions) {
    this.#options = options;
  }

  /** Undefined while the client is stopped or stopping. */
  get started(): Connection | undefined {
    return this.#stage.kind === "started" ? this.#stage.connection : undefined;
  }

  /**
   * Calls made inside handlers still work while the client drains.
   *
   * @throws ReseolioError `failed_precondition` when the client is stopped
   */
  get connection(): Connection {
    if (this.#stage.kind !== "stopped") return this.#stage.connection;
    throw new ReseolioError("failed_precondition", "this client is not started; call await reseolio.start() first");
  }

  /**
   * The connection, open. Waits while the client starts.
   *
   * @throws ReseolioError `failed_precondition` when it is stopped
   */
  async connected(): Promise<Connection> {
    const connection = this.connection;
    if (this.#stage.kind === "started") await this.#stage.ready;
    return connection;
  }

  async start(): Promise<void> {
    if (this.#stage.kind === "stopping") await this.#stage.done;
    if (this.#stage.kind === "started") return this.#stage.ready;
    const connection = this.#options.connect();
    const ready = connection.open();
    this.#stage = { kind: "started", connection, ready };
    try {
      await ready;
    } catch (error) {
      if (this.#stage.kind === "started") this.#stage = { kind: "stopped" };
      throw error;
    }
    this.#options.onReady();
  }

  async stop(): Promise<void> {
    const stage = this.#stage;
    if (stage.kind === "stopped") return;
    if (stage.kind === "stopping") return stage.done;
    const done = this.#close(stage.connection);
    this.#stage = { kind: "stopping", connection: stage.connection, done };
    return done;
  }

  async #close(connection: Connection): Promise<void> {
    await connection.close(this.#options.drainTimeoutMs);
    this.#stage = { kind: "stopped" };
    this.#options.onStopped();
  }
}
