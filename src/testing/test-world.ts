import { ReseolioError } from "../sdk/errors.ts";
import type { ReseolioOptions } from "../sdk/reseolio-options.ts";
import { Reseolio } from "../sdk/reseolio.ts";
import { TEST_HOOKS, type TestHooks } from "../sdk/workflow/test-hooks.ts";
import { durationMs } from "./duration.ts";
import { ReplayPlan } from "./replay-plan.ts";
import { TestClock } from "./test-clock.ts";
import { startTestDaemon, type TestDaemon } from "./test-daemon.ts";
import { UnsafeReplayError } from "./unsafe-replay-error.ts";

/**
 * Options of a test world, all optional.
 *
 * @example
 * ```ts
 * const options: TestWorldOptions = { now: new Date("2026-01-01T00:00:00Z"), client: { workerConcurrency: 1 } };
 * ```
 */
export interface TestWorldOptions {
  /** Initial time of the world's clock. [the real time] */
  readonly now?: Date;
  /** Options of `client`, except those that the world sets itself. */
  readonly client?: Omit<ReseolioOptions, "storage" | "address" | "autoStart" | "token" | "tls" | "coreBinaryPath">;
  /**
   * Crashes and replays each handler after every checkpoint, child, event and wait, and once more after it has
   * returned; concurrent steps end in a different order. Whatever the handler does outside steps happens again at each
   * replay: side effects that the test observes twice are not safe. When a replay receives something else or takes
   * another path, `advance`, `settled` and `stop` throw an UnsafeReplayError. [false]
   */
  readonly replayEveryCheckpoint?: boolean;
  /** How long `advance` waits for running handlers, in milliseconds of real time. [5000] */
  readonly settleTimeoutMs?: number;
  /** The executable. [as the SDK finds it: `RESEOLIO_BINARY`, the package for this platform, `PATH`] */
  readonly coreBinaryPath?: string;
}

/**
 * A separate daemon with an in-memory database, a client that runs handlers, and a clock that moves only when the test
 * moves it.
 *
 * @example
 * ```ts
 * await using world = await createTestWorld();
 * let tries = 0;
 * const flaky = world.client.durable("demo:flaky", async () => {
 *   if (++tries < 3) throw new Error("not yet");
 *   return tries;
 * }, { initialDelayMs: 3_600_000, jitter: 0 });
 * const call = await flaky();
 * await world.advance("3h"); // retries after 1 h and 2 more
 * console.log(await call.result()); // 3
 * ```
 */
export interface TestWorld extends AsyncDisposable {
  /** A started client. It runs the handlers that the test registers on it. */
  readonly client: Reseolio;
  /** For clients that the tested program creates: `new Reseolio(world.options)`. They use the world's time. */
  readonly options: Pick<ReseolioOptions, "address" | "autoStart">;
  /** The current time of the world. */
  now(): Date;
  /**
   * Moves time forward, stopping at everything that falls due: delays, retries, sleeps, timeouts of waits, deadlines.
   * At each stop it waits until the handlers have ended or wait durably. Takes a duration such as `30d`, `1h30m` or
   * `500ms`, or milliseconds. Time limits of attempts are measured in real time.
   *
   * @throws ReseolioError `failed_precondition` when a handler still runs after `settleTimeoutMs`; time stops there
   */
  advance(duration: string | number): Promise<void>;
  /** Like `advance`, up to the given time. If that has passed, it only waits for handlers. */
  advanceTo(time: Date): Promise<void>;
  /** Waits until the handlers have ended or wait durably, without moving time. Throws what `advance` throws. */
  settled(): Promise<void>;
  /** Starts another client, which stops with the world. Without handlers it only makes calls. */
  startClient(options?: TestWorldOptions["client"]): Promise<Reseolio>;
  /** Stops the clients and the daemon; all data is lost. `await using` calls it too. Can be called repeatedly. */
  stop(): Promise<void>;
}

const DEFAULT_SETTLE_TIMEOUT_MS = 5_000;
/** Handlers that still run need no grace: nothing in the world outlives it. */
const DRAIN_TIMEOUT_MS = 100;

/**
 * Starts a test world, in about a tenth of a second.
 *
 * @example
 * ```ts
 * const world = await createTestWorld({ now: new Date("2026-01-01T00:00:00Z") });
 * await world.advance("30d");
 * console.log(world.now().toISOString()); // 2026-01-31T00:00:00.000Z
 * await world.stop();
 * ```
 *
 * @throws ReseolioError `daemon_start` when the executable is not found or does not start
 */
export async function createTestWorld(options: TestWorldOptions = {}): Promise<TestWorld> {
  const now = options.now ?? new Date();
  if (Number.isNaN(now.getTime())) throw new ReseolioError("invalid_argument", "option now is an invalid Date");
  const daemon = await startTestDaemon({ now, coreBinaryPath: options.coreBinaryPath });
  const settleTimeoutMs = options.settleTimeoutMs ?? DEFAULT_SETTLE_TIMEOUT_MS;
  const world = new RunningWorld(daemon, new TestClock({ address: daemon.address, now, settleTimeoutMs }), options);
  try {
    await world.client.start();
    return world;
  } catch (error) {
    await world.stop();
    throw error;
  }
}

class RunningWorld implements TestWorld {
  readonly client: Reseolio;
  readonly options: Pick<ReseolioOptions, "address" | "autoStart">;
  readonly #replays: ReplayPlan | undefined;
  readonly #daemon: TestDaemon;
  readonly #clock: TestClock;
  readonly #defaults: NonNullable<TestWorldOptions["client"]>;
  readonly #clients: Reseolio[] = [];
  #stopping: Promise<void> | null = null;

  constructor(daemon: TestDaemon, clock: TestClock, options: TestWorldOptions) {
    this.#daemon = daemon;
    this.#clock = clock;
    this.#defaults = options.client ?? {};
    this.#replays = options.replayEveryCheckpoint === true ? new ReplayPlan() : undefined;
    const hooked = { address: daemon.address, autoStart: false, [TEST_HOOKS]: this.#testHooks() };
    this.options = hooked;
    this.client = this.#addClient({});
  }

  now(): Date {
    return new Date(this.#clock.now());
  }

  advance(duration: string | number): Promise<void> {
    return this.#moveTo(this.#clock.now() + durationMs(duration));
  }

  advanceTo(time: Date): Promise<void> {
    return this.#moveTo(time.getTime());
  }

  settled(): Promise<void> {
    return this.#moveTo(this.#clock.now());
  }

  async startClient(options: TestWorldOptions["client"] = {}): Promise<Reseolio> {
    const client = this.#addClient(options);
    await client.start();
    return client;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #moveTo(time: number): Promise<void> {
    await this.#clock.moveTo(time);
    this.#checkReplays();
  }

  #testHooks(): TestHooks {
    const now = (): number => this.#clock.now();
    return { clock: { now, monotonic: now }, crashes: this.#replays };
  }

  #checkReplays(): void {
    const faults = this.#replays?.takeFaults() ?? [];
    if (faults.length > 0) throw new UnsafeReplayError(faults);
  }

  #addClient(options: NonNullable<TestWorldOptions["client"]>): Reseolio {
    const client = new Reseolio({
      drainTimeoutMs: DRAIN_TIMEOUT_MS,
      ...this.#defaults,
      ...options,
      ...this.options,
    });
    this.#clients.push(client);
    return client;
  }

  async #stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.stop()));
    this.#clock.close();
    await this.#daemon.kill();
    this.#checkReplays();
  }
}
