import { EventEmitter } from "node:events";
import { encodeSchedule } from "./calls/encode-schedule.ts";
import { Enqueuer, type FunctionOptions } from "./calls/enqueuer.ts";
import { JobResults } from "./calls/job-results.ts";
import { connectionEvents, notify } from "./client-events.ts";
import { Connection } from "./connection.ts";
import type { Context } from "./context.ts";
import { createDurableFunction, type DurableFunction } from "./durable-function.ts";
import { ReseolioError } from "./errors.ts";
import type { ReseolioEvents } from "./events.ts";
import type { JobDetails } from "./job-details.ts";
import { checkJobId, type JobAccess, JobHandle } from "./job-handle.ts";
import type { JobPage, JobQuery } from "./job-query.ts";
import { Lifecycle } from "./lifecycle.ts";
import type { JobOptions } from "./options/job-options.ts";
import type { ScheduleOptions, ScheduleRule, ScheduleUpdate } from "./options/schedule-options.ts";
import { context } from "./replay/scope.ts";
import { type ReseolioOptions, type ReseolioSettings, resolveOptions } from "./reseolio-options.ts";
import type { ScheduleDetails, ScheduleTick } from "./schedule-details.ts";
import { type ScheduleAccess, ScheduleHandle } from "./schedule-handle.ts";
import type { BackfillWindow, PreviewWindow, SchedulePage, ScheduleQuery } from "./schedule-query.ts";
import type { EmittedEvent, SentSignal } from "./sent-messages.ts";
import { checkFunctionName, type FunctionDefinition, isNamespaced, namespace, Registry } from "./worker/registry.ts";

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
export class Reseolio extends EventEmitter<ReseolioEvents> implements ScheduleAccess {
  readonly #settings: ReseolioSettings;
  readonly #registry = new Registry();
  readonly #lifecycle: Lifecycle;
  readonly #results = new JobResults(this, async () => (await this.#lifecycle.connected()).session);
  readonly #jobAccess: JobAccess = {
    result: (jobId, timeoutMs) => this.#results.result(jobId, timeoutMs),
    getJob: (jobId) => this.getJob(jobId),
    cancelJob: (jobId) => this.cancelJob(jobId),
    signal: (jobId, name, payload) => this.signal(jobId, name, payload),
  };
  readonly #enqueuer: Enqueuer;

  /** @throws ReseolioError `invalid_argument` that names the option */
  constructor(options: ReseolioOptions = {}) {
    super();
    const settings = resolveOptions(options, process.env, process.cwd());
    this.#settings = settings;
    this.#lifecycle = new Lifecycle({
      connect: () => new Connection(settings, this.#registry, connectionEvents(this), this),
      drainTimeoutMs: settings.drainTimeoutMs,
      onReady: () => notify(this, "ready"),
      onStopped: () => notify(this, "stopped"),
    });
    this.#enqueuer = new Enqueuer({
      owner: this,
      session: () => this.#lifecycle.connection.session,
      jobs: this.#jobAccess,
      logger: settings.logger,
      onDeduplicated: (call) => notify(this, "deduplicated", call),
    });
  }

  /**
   * Connects, starting the daemon if none answers and `autoStart` is on; then registered functions begin to run. A
   * second call does nothing; after `stop()` it starts again.
   *
   * @throws ConnectionError when the daemon cannot be reached within `connectTimeoutMs`
   * @throws ReseolioError `daemon_start`, `storage_mismatch`, `unauthenticated`, …: what stands in the way, and the fix
   */
  start(): Promise<void> {
    return this.#lifecycle.start();
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
  stop(): Promise<void> {
    return this.#lifecycle.stop();
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
    const definition = this.#registry.add(name, handler, options, callerLocation());
    if (!isNamespaced(name)) this.#warnAboutName(name);
    this.#lifecycle.started?.addFunction(name);
    return createDurableFunction<Args, Awaited<Result>>(definition, {
      enqueue: (args, callOptions) => this.#enqueuer.enqueue(name, args, definition, callOptions),
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
    const handle = await this.#enqueuer.enqueue(name, args, known ?? NO_OPTIONS, options);
    // The caller says what the function returns; nothing here can know.
    return handle as JobHandle<Result>;
  }

  /**
   * A handle of any job by its id, from this or another process. Nothing is asked of the daemon yet.
   *
   * @example
   * ```ts
   * const { receipt } = await reseolio.handle<{ receipt: string }>(job.jobId).result();
   * ```
   *
   * @throws ReseolioError `invalid_argument` for what is no id
   */
  handle<Result = unknown>(jobId: string): JobHandle<Result> {
    checkJobId(jobId);
    return new JobHandle<Result>(jobId, this.#jobAccess);
  }

  /** Everything that is kept of a job. @throws ReseolioError `not_found` */
  async getJob(jobId: string): Promise<JobDetails> {
    return (await this.#lifecycle.connected()).jobs.getJob(jobId);
  }

  /**
   * One page, newest first, without args, results and stacks; of an error its first 800 characters.
   *
   * @example
   * ```ts
   * const { jobs: dead, nextPageToken } = await reseolio.listJobs({ status: "dead", limit: 100 });
   * ```
   */
  async listJobs(query: JobQuery = {}): Promise<JobPage> {
    return (await this.#lifecycle.connected()).jobs.listJobs(query);
  }

  /**
   * Final for the record at once; a running handler's signal fires.
   *
   * @returns false when the job had ended already
   * @throws ReseolioError `not_found`
   */
  async cancelJob(jobId: string): Promise<boolean> {
    return (await this.#lifecycle.connected()).jobs.cancelJob(jobId);
  }

  /**
   * Sends a signal to a job that has not ended; on disk when its promise ends. Signals of one name are kept in order, and
   * each is taken by one wait of the job's handler, whether it came before or after. In a handler send it inside of a
   * step: every execution would send it anew.
   *
   * @example
   * ```ts
   * await reseolio.signal(job.jobId, "approved", { by: "Ada" });
   * ```
   *
   * @throws ReseolioError `not_found`, or `failed_precondition` for a job that has ended; `invalid_argument` or
   *   `serialization` before anything is sent
   */
  async signal(jobId: string, name: string, payload?: unknown): Promise<SentSignal> {
    checkJobId(jobId);
    return (await this.#lifecycle.connected()).jobs.signal(jobId, name, payload);
  }

  /**
   * Makes a dead or cancelled job run again: its failures start at 0, its attempt numbers go on.
   *
   * @example
   * ```ts
   * const again = await reseolio.retryJob<{ receipt: string }>(job.jobId);
   * ```
   *
   * @throws ReseolioError `not_found`, or `failed_precondition` for a job that is neither
   */
  async retryJob<Result = unknown>(jobId: string): Promise<JobHandle<Result>> {
    await (await this.#lifecycle.connected()).jobs.retryJob(jobId);
    return this.handle<Result>(jobId);
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
    return (await this.#lifecycle.connected()).events.emitEvent(name, payload);
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
    return (await this.#lifecycle.connected()).events.deleteEvent(name);
  }

  /**
   * Schedules a function by its name, also one that other programs run; `fn.schedule` is the same for a durable
   * function. On disk when its promise ends. The same content again is the same schedule, also a paused one, so a program may
   * create its schedules at each start; give `onDuplicate: "update"` where a new version of the program may change them.
   *
   * @example
   * ```ts
   * const nightly = await reseolio.createSchedule("reports:build", { name: "nightly", cron: "@daily" }, ["eu"]);
   * ```
   *
   * @throws ReseolioError `invalid_argument` that names the option with a right example; `already_exists` when a
   * schedule of this name has other content
   */
  async createSchedule<Result = unknown>(
    functionName: string,
    options: ScheduleOptions,
    args: readonly unknown[] = [],
  ): Promise<ScheduleHandle<unknown[], Result>> {
    const spec = encodeSchedule(functionName, options, args, this.#registry.optionsOf(functionName));
    const { schedules } = await this.#lifecycle.connected();
    const { id, name } = await schedules.createSchedule(options.name ?? "", spec, options.onDuplicate ?? "reject");
    return new ScheduleHandle(id, name, this);
  }

  /** Everything that is kept of a schedule. @throws ReseolioError `not_found` */
  async getSchedule(name: string): Promise<ScheduleDetails> {
    return (await this.#lifecycle.connected()).schedules.getSchedule(name);
  }

  /**
   * One page, by name.
   *
   * @example
   * ```ts
   * const { schedules, total } = await reseolio.listSchedules({ status: "active", limit: 10 });
   * ```
   */
  async listSchedules(query: ScheduleQuery = {}): Promise<SchedulePage> {
    return (await this.#lifecycle.connected()).schedules.listSchedules(query);
  }

  /**
   * Changes what is given; what is absent stays, `null` takes the default again.
   *
   * @example
   * ```ts
   * await reseolio.updateSchedule("nightly", { cron: "0 3 * * *", timezone: "Europe/Berlin", endAt: null });
   * ```
   *
   * @throws ReseolioError `invalid_argument` that names the option, `not_found`
   */
  async updateSchedule(name: string, update: ScheduleUpdate): Promise<ScheduleDetails> {
    return (await this.#lifecycle.connected()).schedules.updateSchedule(name, update, (functionName) =>
      this.#registry.optionsOf(functionName),
    );
  }

  /** Ticks while it is paused enqueue nothing and are not caught up. @throws ReseolioError `not_found` */
  async pauseSchedule(name: string): Promise<ScheduleDetails> {
    return (await this.#lifecycle.connected()).schedules.pauseSchedule(name);
  }

  /** Ticks again, from now on. @throws ReseolioError `not_found` */
  async resumeSchedule(name: string): Promise<ScheduleDetails> {
    return (await this.#lifecycle.connected()).schedules.resumeSchedule(name);
  }

  /**
   * Ends it; its name is free again. Jobs that it enqueued stay as they are.
   *
   * @returns false when there was none of this name
   */
  async deleteSchedule(name: string): Promise<boolean> {
    return (await this.#lifecycle.connected()).schedules.deleteSchedule(name);
  }

  /**
   * Enqueues one job now, beside the ticks, with the schedule's arguments and options.
   *
   * @example
   * ```ts
   * const report = await reseolio.triggerSchedule<{ pages: number }>("nightly");
   * ```
   *
   * @throws ReseolioError `not_found`
   */
  async triggerSchedule<Result = unknown>(name: string): Promise<JobHandle<Result>> {
    const { schedules } = await this.#lifecycle.connected();
    return this.handle<Result>(await schedules.triggerSchedule(name));
  }

  /**
   * Enqueues the jobs of past ticks that have none, oldest first, whatever `catchUp` and `overlap` say. A tick that has
   * its job gets no second one, so it may be called again; one whose job was deleted or pruned has none.
   *
   * @example
   * ```ts
   * const enqueued = await reseolio.backfillSchedule("nightly", { from: new Date("2026-11-01T00:00:00Z") });
   * ```
   *
   * @returns how many; with `dryRun` how many it would be
   * @throws ReseolioError `invalid_argument` that names the option, `not_found`
   */
  async backfillSchedule(name: string, window: BackfillWindow): Promise<number> {
    return (await this.#lifecycle.connected()).schedules.backfillSchedule(name, window);
  }

  /**
   * The ticks to come, of a schedule by its name or of a rule that is not stored.
   *
   * @example
   * ```ts
   * const { ticks } = await reseolio.previewSchedule({ cron: "0 8 * * 1-5", timezone: "Asia/Tokyo" }, { count: 5 });
   * ```
   *
   * @throws ReseolioError `invalid_argument` that names the option, `not_found`
   */
  async previewSchedule(
    schedule: string | ScheduleRule,
    window: PreviewWindow = {},
  ): Promise<{ readonly timezone: string; readonly ticks: readonly ScheduleTick[] }> {
    return (await this.#lifecycle.connected()).schedules.previewSchedule(schedule, window);
  }

  /** As the named export `context`. */
  context(): Context {
    return context();
  }

  #warnAboutName(name: string): void {
    this.#settings.logger.warn(
      `function ${JSON.stringify(name)} has no namespace and may collide with another module's; ` +
        `use reseolio.namespace("module", "service", ${JSON.stringify(name)})`,
    );
  }
}

const NO_OPTIONS: FunctionOptions = { options: {}, encodedOptions: undefined };

/** File and line of the call of `durable`, for messages. */
function callerLocation(): string {
  const line = new Error().stack?.split("\n")[3] ?? "";
  return line.trim().replace(/^at /, "") || "an unknown place";
}
