import { create } from "@bufbuild/protobuf";
import {
  type Hello,
  HelloSchema,
  type SessionResponse,
  type Welcome,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { uuidV7 } from "#proto/uuid-v7.ts";
import { EventsClient } from "./calls/events-client.ts";
import { JobsClient } from "./calls/jobs-client.ts";
import { SchedulesClient } from "./calls/schedules-client.ts";
import { UnaryCalls } from "./calls/unary-calls.ts";
import { ReseolioError } from "./errors.ts";
import type { ReseolioSettings } from "./reseolio-options.ts";
import { isRefusal, type SessionOwner } from "./session/session-settings.ts";
import { Session } from "./session/session.ts";
import { Sidecar } from "./sidecar/sidecar.ts";
import { type Client, createClient } from "./transport/client.ts";
import { SDK_VERSION } from "./version.ts";
import { readProcessIdentity } from "./worker/process-identity.ts";
import type { Registry } from "./worker/registry.ts";
import type { WorkerEvents } from "./worker/worker-options.ts";
import { Worker } from "./worker/worker.ts";

export interface ConnectionEvents extends WorkerEvents {
  readonly onDisconnected: (error: ReseolioError) => void;
  readonly onReconnected: () => void;
}

/** How long `close` waits for the daemon's replies after the last handler has ended. */
const SETTLE_MS = 5_000;

const WARNING_INTERVAL_MS = 60_000;

/** What exists between a start and a stop of a client: its transport, its session and its worker. */
export class Connection implements SessionOwner {
  readonly jobs: JobsClient;
  readonly events: EventsClient;
  readonly schedules: SchedulesClient;
  readonly session: Session;
  readonly #client: Client;
  readonly #worker: Worker;
  readonly #workerId = uuidV7();
  readonly #identity = readProcessIdentity();
  /** Monotonic time until which connection failures are not logged as warnings. */
  #silentUntil = 0;

  readonly #settings: ReseolioSettings;
  readonly #registry: Registry;
  readonly #listeners: ConnectionEvents;

  constructor(settings: ReseolioSettings, registry: Registry, listeners: ConnectionEvents, owner: object) {
    this.#settings = settings;
    this.#registry = registry;
    this.#listeners = listeners;
    const { logger } = settings;
    this.#client = createClient(settings.client);
    const sidecar = new Sidecar({ ...settings.sidecar, client: this.#client, logger });
    this.session = new Session(this.#client, this, settings.session, () => sidecar.ensure());
    this.#worker = new Worker({
      concurrency: settings.workerConcurrency,
      maxParkedHandlers: settings.maxParkedHandlers,
      registry,
      port: {
        batcher: this.session.batcher,
        watchEnd: (jobId, onEnd) => this.session.awaited.watch(jobId, onEnd),
        emitEvent: (name, payload) => this.events.emitEvent(name, payload),
        retryJob: (jobId, awaitedBy) => this.jobs.retryChild(jobId, awaitedBy),
      },
      events: listeners,
      logger,
      owner,
      testHooks: settings.testHooks,
    });
    const calls = new UnaryCalls(this.session, settings.session.callTimeoutMs);
    this.jobs = new JobsClient(this.#client, calls);
    this.events = new EventsClient(this.#client, calls);
    this.schedules = new SchedulesClient(this.#client, calls);
  }

  async open(): Promise<void> {
    try {
      await this.session.open();
    } catch (error) {
      this.#client.close();
      throw error;
    }
  }

  /** Drains the worker for `graceMs`, sends what is left to the daemon and closes everything. */
  async close(graceMs: number): Promise<void> {
    // A client that runs nothing is sent nothing.
    if (this.#settings.workerConcurrency > 0) this.session.drain();
    await this.#worker.drain(graceMs);
    if (this.session.isOpen) await this.session.whenIdle(SETTLE_MS);
    await this.session.close();
    this.#client.close();
  }

  addFunction(name: string): void {
    if (this.#settings.workerConcurrency > 0) this.session.batcher.addFunction(name);
  }

  hello(): Hello {
    const concurrency = this.#settings.workerConcurrency;
    return create(HelloSchema, {
      workerId: this.#workerId,
      ...this.#identity,
      functionNames: concurrency > 0 ? [...this.#registry.names] : [],
      concurrency,
      heldLeases: this.#worker.heldLeases(),
      client: `reseolio-js/${SDK_VERSION} ${runtime()}`,
      ordered: true,
    });
  }

  connected(welcome: Welcome, again: boolean): void {
    this.#worker.connected(welcome.lostLeases);
    if (again) this.#listeners.onReconnected();
  }

  disconnected(error: ReseolioError): void {
    this.#worker.disconnected();
    this.#listeners.onDisconnected(error);
  }

  /**
   * An unreachable daemon comes back by itself. One that refuses this client needs an operator: warns once a minute.
   */
  connectFailed(error: ReseolioError): void {
    const message = `lost the session with the daemon, reconnecting: ${error.message}`;
    const now = performance.now();
    if (!isRefusal(error) || now < this.#silentUntil) return this.#settings.logger.debug(message);
    this.#silentUntil = now + WARNING_INTERVAL_MS;
    this.#settings.logger.warn(message);
  }

  received(frame: SessionResponse): void {
    this.#worker.receive(frame);
  }

  tick(now: number): void {
    this.#worker.tick(now);
  }
}

function runtime(): string {
  const bun = process.versions["bun"];
  return bun === undefined ? `node/${process.versions.node}` : `bun/${bun}`;
}

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
