import type { EnqueuedJob, JobOptions as JobOptionsMessage, NewJob } from "#proto/gen/reseolio/v1/job_pb.ts";
import { uuidV7 } from "#proto/uuid-v7.ts";
import { reseolioErrorFrom } from "./transport/connect-errors.ts";
import { Connection } from "./connection.ts";
import { callChild, type StoredChild } from "./workflow/child-calls.ts";
import { type Context, context, currentScope, type HandlerScope } from "./context.ts";
import { createDurableFunction, type DurableFunction } from "./durable-function.ts";
import { ReseolioError } from "./errors.ts";
import type { EmittedEvent } from "./calls/events-client.ts";
import { JobHandle } from "./job-handle.ts";
import { encodeJobOptions, type JobOptions, mergeJobOptions } from "./options/job-options.ts";
import { type ReseolioOptions, type ReseolioSettings, resolveOptions } from "./reseolio-options.ts";
import { checkFunctionName, type FunctionDefinition, isNamespaced, namespace, Registry } from "./worker/registry.ts";
import { ScheduleCalls } from "./calls/schedule-calls.ts";
import { encodeArgs } from "./serialization.ts";
import { connectionEvents, tell } from "./client-events.ts";

type Stage =
  | { readonly kind: "stopped" }
  | { readonly kind: "started"; readonly connection: Connection; readonly ready: Promise<void> }
  | { readonly kind: "stopping"; readonly connection: Connection; readonly done: Promise<void> };

/**
 * A client of one daemon: calls durable functions, and runs those that it registers.
 *
 * A call is on disk when its promise ends. A handler runs at least once: after a crash it may run again, so what it
 * does to the world belongs into steps, or should be safe to repeat (`context().jobId` is a good key for that). When the daemon goes away,
 * running handlers go on, the client reconnects by itself, and calls made meanwhile wait.
 *
 * @example
 * ```ts
 * const client = new Reseolio({ storage: "sqlite://./reseolio.db" });
 * await client.start();
 * const greet = client.durable("demo:greet", async (name: string) => `Hello, ${name}!`);
 * const greeting = await greet("Ada");
 * console.log(await greeting.result()); // Hello, Ada!
 * await client.stop();
 * ```
 */
export class Reseolio extends ScheduleCalls {
  readonly #settings: ReseolioSettings;
  readonly #registry = new Registry();
  #stage: Stage = { kind: "stopped" };

  /** @throws ReseolioError `invalid_argument` that names the option */
  constructor(options: ReseolioOptions = {}) {
    super();
    this.#settings = resolveOptions(options, process.env, process.cwd());
  }

  /**
   * Connects, starting the daemon if none answers and `autoStart` is on; then registered functions begin to run. A
   * second call does nothing; after `stop()` it starts again.
   *
   * @throws ConnectionError when the daemon cannot be reached within `connectTimeoutMs`
   * @throws ReseolioError `daemon_start`, `storage_mismatch`, `unauthenticated`, …: what stands in the way, and the fix
   */
  async start(): Promise<void> {
    if (this.#stage.kind === "stopping") await this.#stage.done;
    if (this.#stage.kind === "started") return this.#stage.ready;
    const connection = new Connection(this.#settings, this.#registry, connectionEvents(this), this);
    const ready = connection.open();
    this.#stage = { kind: "started", connection, ready };
    try {
      await ready;
    } catch (error) {
      if (this.#stage.kind === "started") this.#stage = { kind: "stopped" };
      throw error;
    }
    tell(this, "ready");
  }

  /**
   * Takes no more jobs, lets running handlers end for `drainTimeoutMs`, then fires their signals and hands back what is
   * left: it counts as no failure and runs elsewhere. Afterwards nothing keeps the process alive. Harmless when stopped.
   * Nothing calls it for you: without it a process that ends is a crash, and its jobs run again.
   *
   * @example
   * ```ts
   * process.once("SIGTERM", () => void reseolio.stop());
   * ```
   */
  async stop(): Promise<void> {
    const stage = this.#stage;
    if (stage.kind === "stopped") return;
    if (stage.kind === "stopping") return stage.done;
    const done = this.#stop(stage.connection);
    this.#stage = { kind: "stopping", connection: stage.connection, done };
    return done;
  }

  /** `await using` stops the client at the end of its block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /**
   * Makes a function durable: this process runs it, and the function returned stores calls of it. Before or after
   * `start()`. `options` are the defaults of its calls. Every process that is to run it registers it under this name.
   *
   * @example
   * ```ts
   * const resize = reseolio.durable(
   *   reseolio.namespace("images", "resize"),
   *   async (path: string, width: number) => ({ path, width }),
   *   { maxAttempts: 5, timeoutMs: 60_000 },
   * );
   * ```
   *
   * @throws ReseolioError `already_exists` when the name has a handler, `invalid_argument` for a bad name or option
   */
  durable<Args extends unknown[], Result>(
    name: string,
    handler: (...args: Args) => Result,
    options: JobOptions = {},
  ): DurableFunction<Args, Awaited<Result>> {
    const definition = this.#registry.add(name, handler, options, callerPlace());
    if (!isNamespaced(name)) this.#warnAboutName(name);
    if (this.#stage.kind === "started") this.#stage.connection.addFunction(name);
    return createDurableFunction<Args, Awaited<Result>>(definition, {
      enqueue: (args, callOptions) =>
        this.#enqueue(name, args, definition.options, definition.encodedOptions, callOptions),
      createSchedule: (scheduleOptions, args) => this.createSchedule(name, scheduleOptions, args),
    });
  }

  /**
   * Joins parts to a function's name: `namespace("orders", "payment", "charge")` is `"orders:payment:charge"`.
   *
   * @throws ReseolioError `invalid_argument` for no parts, an empty part or one with `:`
   */
  namespace(...parts: string[]): string {
    return namespace(...parts);
  }

  /**
   * Stores a call of a function by its name, also of one that other programs run. Errors as of a durable function.
   *
   * @example
   * ```ts
   * const report = await reseolio.enqueue<{ pages: number }>("reports:build", ["2026-11"], { priority: 5 });
   * ```
   */
  async enqueue<Result = unknown>(
    name: string,
    args: readonly unknown[] = [],
    options?: JobOptions,
  ): Promise<JobHandle<Result>> {
    const known: FunctionDefinition | undefined = this.#registry.find(name);
    if (known === undefined) checkFunctionName(name);
    if (!Array.isArray(args)) {
      throw new ReseolioError("invalid_argument", `${name}: args is a ${typeof args}; give an array of the arguments`);
    }
    const handle = await this.#enqueue(name, args, known?.options ?? NO_OPTIONS, known?.encodedOptions, options);
    // The caller says what the function returns; nothing here can know.
    return handle as JobHandle<Result>;
  }

  /**
   * Tells jobs that wait for the event of this name, now or later. It happens once: the first payload is kept, and a
   * repeated call changes nothing. On disk when its promise ends.
   *
   * @example
   * ```ts
   * await reseolio.emitEvent("approved:order-1001", { by: "Ada" });
   * ```
   *
   * @throws ReseolioError `invalid_argument` or `serialization` before anything is sent
   */
  async emitEvent(name: string, payload?: unknown): Promise<EmittedEvent> {
    return (await this.connected()).events.emit(name, payload);
  }

  /**
   * Forgets an event: who awaits its name from now on waits until it is emitted again. Jobs that got its payload keep it.
   *
   * @example
   * ```ts
   * await reseolio.deleteEvent("approved:order-1001");
   * ```
   *
   * @returns false when it had not happened
   * @throws ReseolioError `failed_precondition` while it is told to the jobs that waited for it
   */
  async deleteEvent(name: string): Promise<boolean> {
    return (await this.connected()).events.delete(name);
  }

  /** As the named export `context`. */
  context(): Context {
    return context();
  }

  protected override optionsOf(functionName: string): JobOptions {
    return this.#registry.find(functionName)?.options ?? NO_OPTIONS;
  }

  async #stop(connection: Connection): Promise<void> {
    await connection.close(this.#settings.drainTimeoutMs);
    this.#stage = { kind: "stopped" };
    tell(this, "stopped");
  }

  /** Calls made inside handlers go on while the client drains. */
  #connection(): Connection {
    if (this.#stage.kind !== "stopped") return this.#stage.connection;
    throw new ReseolioError("failed_precondition", "this client is not started; call await reseolio.start() first");
  }

  protected override async connected(): Promise<Connection> {
    const connection = this.#connection();
    if (this.#stage.kind === "started") await this.#stage.ready;
    return connection;
  }

  /** The hot path: no promise but the caller's. */
  #enqueue(
    functionName: string,
    args: readonly unknown[],
    base: JobOptions,
    encodedBase: JobOptionsMessage | undefined,
    call: JobOptions | undefined,
  ): Promise<JobHandle> {
    try {
      const scope = currentScope();
      const parent = scope?.context.owner === this ? scope : undefined;
      const job: NewJob = {
        $typeName: "reseolio.v1.NewJob",
        jobId: uuidV7(),
        functionName,
        args: encodeArgs(functionName, args),
        parentId: parent?.context.jobId ?? "",
      };
      const options = call === undefined ? encodedBase : encodeJobOptions(functionName, mergeJobOptions(base, call));
      if (options !== undefined) job.options = options;
      return parent === undefined ? this.#send(job) : this.#sendChild(parent, job);
    } catch (error) {
      return Promise.reject(reseolioErrorFrom(error));
    }
  }

  #send(job: NewJob): Promise<JobHandle> {
    return this.#connection().enqueue(job, this.#onEnqueued);
  }

  async #sendChild(parent: HandlerScope, job: NewJob): Promise<JobHandle> {
    const { execution } = parent.context;
    const isKeyed = (job.options?.idempotencyKey ?? "") !== "";
    const connection = this.#connection();
    const enqueue = (keyed: NewJob): Promise<StoredChild> =>
      connection.enqueue(keyed, (answer, stored) => ({ job: stored, answer }));
    const { answer, job: stored } = await callChild(parent, job, enqueue);
    if (!answer.deduplicated) await execution.rehearse(`child ${stored.options?.idempotencyKey}`);
    if (isKeyed) return this.#onEnqueued(answer, stored);
    return new JobHandle(answer.jobId === "" ? stored.jobId : answer.jobId, this.jobAccess);
  }

  readonly #onEnqueued = (answer: EnqueuedJob, job: NewJob): JobHandle => {
    const jobId = answer.jobId === "" ? job.jobId : answer.jobId;
    if (answer.deduplicated) this.#tellDeduplicated(jobId, job, answer.argsDiffer);
    return new JobHandle(jobId, this.jobAccess, answer.deduplicated);
  };

  #tellDeduplicated(jobId: string, job: NewJob, argsDiffer: boolean): void {
    const { functionName } = job;
    const idempotencyKey = job.options?.idempotencyKey ?? "";
    if (argsDiffer) {
      const message = "a call found a job with its idempotency key but with other arguments, and was not stored";
      this.#settings.logger.warn(message, { functionName, idempotencyKey, jobId });
    }
    tell(this, "deduplicated", { jobId, functionName, idempotencyKey, argsDiffer });
  }

  #warnAboutName(name: string): void {
    this.#settings.logger.warn(
      `function ${JSON.stringify(name)} has no namespace and may collide with another module's; ` +
        `use reseolio.namespace("module", "service", ${JSON.stringify(name)})`,
    );
  }
}

const NO_OPTIONS: JobOptions = {};

/** File and line of the call of `durable`, for messages. */
function callerPlace(): string {
  const line = new Error().stack?.split("\n")[3] ?? "";
  return line.trim().replace(/^at /, "") || "an unknown place";
}
