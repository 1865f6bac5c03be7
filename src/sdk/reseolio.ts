import { EventEmitter } from "node:events";
import { encodeSchedule } from "./calls/encode-schedule.ts";
import { type FunctionOptions, JobCalls } from "./calls/job-calls.ts";
import { connectionEvents, logListenerError, notify } from "./client-events.ts";
import { Connection, Lifecycle } from "./connection.ts";
import type { Context } from "./context.ts";
import { createDurableFunction, type DurableFunction } from "./durable-function.ts";
import { ReseolioError } from "./errors.ts";
import type { ReseolioEvents } from "./events.ts";
import type { JobDetails } from "./job-details.ts";
import { checkJobId, JobHandle } from "./job-handle.ts";
import type { JobPage, JobQuery } from "./job-query.ts";
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
 * A client of a daemon: calls durable functions, and runs the ones registered on it.
 *
 * Once a call's promise resolves, the call is on disk. A handler runs at least once: after a crash it may run again, so
 * put side effects into steps, or make them safe to repeat (`context().jobId` is a good idempotency key). While the
 * daemon is away, running handlers continue, the client reconnects by itself, and calls wait.
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
  readonly #calls: JobCalls;

  /** @throws ReseolioError `invalid_argument` that names the option */
  constructor(options: ReseolioOptions = {}) {
    super({ captureRejections: true });
    const settings = resolveOptions(options, process.env, process.cwd());
    this.#settings = settings;
    this.#lifecycle = new Lifecycle({
      connect: () => new Connection(settings, this.#registry, connectionEvents(this, settings.logger), this),
      drainTimeoutMs: settings.drainTimeoutMs,
      onReady: () => notify(this, settings.logger, "ready"),
      onStopped: () => notify(this, settings.logger, "stopped"),
    });
    this.#calls = new JobCalls({
      owner: this,
      lifecycle: this.#lifecycle,
      logger: settings.logger,
      onDeduplicated: (call) => notify(this, settings.logger, "deduplicated", call),
    });
  }

  /**
   * Connects to the daemon, starting one if none answers and `autoStart` is on; then registered functions begin to run.
   * A second call does nothing; after `stop()` it starts the client again.
   *
   * @throws ConnectionError when the daemon cannot be reached within `connectTimeoutMs`
   * @throws ReseolioError `daemon_start`, `storage_mismatch`, `unauthenticated`, …; the message names the cause and
   *   the fix
   */
  start(): Promise<void> {
    return this.#lifecycle.start();
  }

  /**
   * Accepts no more jobs, gives running handlers `drainTimeoutMs` to end, then fires their signals and releases the
   * jobs that are left: releasing does not count as a failure, and they run elsewhere. Afterwards the client does not
   * keep the process alive. Does nothing on a stopped client. Nothing calls it for you: a process that exits without it
   * has crashed, and its jobs run again once their leases expire.
   *
   * @example
   * ```ts
   * process.once("SIGTERM", () => void reseolio.stop());
   * ```
   */
  stop(): Promise<void> {
    return this.#lifecycle.stop();
  }

  /** Stops the client: `await using` calls it at the end of the block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /**
   * Makes a function durable: this process runs it, and the returned function stores calls of it. Call it before or
   * after `start()`, with the same name in every process that should run the function. `options` are the defaults of
   * its calls.
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
   * @throws ReseolioError `already_exists` when the name already has a handler, `invalid_argument` for a bad name or
   *   option
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
      calls: this.#calls,
      createSchedule: (scheduleOptions, args) => this.createSchedule(name, scheduleOptions, args),
    });
  }

  /**
   * Joins parts into a function name: `namespace("orders", "payment", "charge")` is `"orders:payment:charge"`.
   *
   * @throws ReseolioError `invalid_argument` when there are no parts, or a part is empty or contains `:`
   */
  namespace(...parts: string[]): string {
    return namespace(...parts);
  }

  /**
   * Stores a call of a function by name, which may be one that other programs run. Throws what a durable function
   * throws.
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
      throw new ReseolioError("invalid_argument", `${name}: args is a ${typeof args}; pass an array of the arguments`);
    }
    const handle = await this.#calls.enqueue(name, args, known ?? NO_OPTIONS, options);
    // The caller says what the function returns; nothing here can know.
    return handle as JobHandle<Result>;
  }

  /**
   * A handle for any job by its ID, from this or another process. Sends nothing to the daemon.
   *
   * @example
   * ```ts
   * const { receipt } = await reseolio.handle<{ receipt: string }>(job.jobId).result();
   * ```
   *
   * @throws ReseolioError `invalid_argument` when `jobId` is not a job ID
   */
  handle<Result = unknown>(jobId: string): JobHandle<Result> {
    checkJobId(jobId);
    return new JobHandle<Result>(jobId, this.#calls);
  }

  /** The stored job with its last attempts. @throws ReseolioError `not_found` */
  async getJob(jobId: string): Promise<JobDetails> {
    return this.#calls.getJob(jobId);
  }

  /**
   * One page of jobs, newest first, without args, results and stacks; error messages are cut to 800 characters.
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
   * Cancels a job. The job is CANCELLED at once; the signal of a running handler fires.
   *
   * @returns false when the job had already ended
   * @throws ReseolioError `not_found`
   */
  async cancelJob(jobId: string): Promise<boolean> {
    return this.#calls.cancelJob(jobId);
  }

  /**
   * Sends a signal to a job that has not ended. Once the promise resolves, the signal is on disk. Signals of one name
   * are kept in order, and each is consumed by one wait of the job's handler, whether the wait began before or after it
   * was sent. Inside a handler, send it in a step: otherwise every execution sends it again.
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
    return this.#calls.signal(jobId, name, payload);
  }

  /**
   * Runs a DEAD or CANCELLED job again. Its failures start at 0; its attempt numbers continue.
   *
   * @example
   * ```ts
   * const again = await reseolio.retryJob<{ receipt: string }>(job.jobId);
   * ```
   *
   * @throws ReseolioError `not_found`, or `failed_precondition` for a job in another state
   */
  async retryJob<Result = unknown>(jobId: string): Promise<JobHandle<Result>> {
    await (await this.#lifecycle.connected()).jobs.retryJob(jobId);
    return this.handle<Result>(jobId);
  }

  /**
   * Emits an event: wakes the jobs that wait for its name, now or later. An event happens once: the first payload is
   * kept, and emitting it again changes nothing. Once the promise resolves, the event is on disk.
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
   * Deletes an event: jobs that await its name from now on wait until it is emitted again. Jobs that already received
   * the payload keep it.
   *
   * @example
   * ```ts
   * await reseolio.deleteEvent("approved:order-1001");
   * ```
   *
   * @returns false when there was no such event
   * @throws ReseolioError `failed_precondition` while it is still being delivered to the jobs that waited for it
   */
  async deleteEvent(name: string): Promise<boolean> {
    return (await this.#lifecycle.connected()).events.deleteEvent(name);
  }

  /**
   * Schedules a function by name, which may be one that other programs run; `fn.schedule` does the same for a durable
   * function. Once the promise resolves, the schedule is on disk. Creating it again with the same content returns the
   * existing schedule, even a paused one, so a program can create its schedules at each start; use
   * `onDuplicate: "update"` if a new version of the program may change them.
   *
   * @example
   * ```ts
   * const nightly = await reseolio.createSchedule("reports:build", { name: "nightly", cron: "@daily" }, ["eu"]);
   * ```
   *
   * @throws ReseolioError `invalid_argument` that names the option and shows a valid value; `already_exists` when a
   * schedule of this name has different content
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

  /** The stored schedule. @throws ReseolioError `not_found` */
  async getSchedule(name: string): Promise<ScheduleDetails> {
    return (await this.#lifecycle.connected()).schedules.getSchedule(name);
  }

  /**
   * One page of schedules, sorted by name.
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
   * Changes the given fields. Absent fields stay as they are; `null` restores the default.
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

  /** Pauses a schedule: its ticks enqueue nothing, and are not caught up later. @throws ReseolioError `not_found` */
  async pauseSchedule(name: string): Promise<ScheduleDetails> {
    return (await this.#lifecycle.connected()).schedules.pauseSchedule(name);
  }

  /** Resumes a paused schedule from now on. @throws ReseolioError `not_found` */
  async resumeSchedule(name: string): Promise<ScheduleDetails> {
    return (await this.#lifecycle.connected()).schedules.resumeSchedule(name);
  }

  /**
   * Deletes a schedule and frees its name. Jobs that it enqueued are not affected.
   *
   * @returns false when no schedule has this name
   */
  async deleteSchedule(name: string): Promise<boolean> {
    return (await this.#lifecycle.connected()).schedules.deleteSchedule(name);
  }

  /**
   * Enqueues one job now, in addition to the ticks, with the schedule's arguments and options.
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
   * Enqueues jobs for past ticks that have none, oldest first, regardless of `catchUp` and `overlap`. A tick never gets
   * a second job, so the call can be repeated; a tick whose job was deleted or pruned counts as having none.
   *
   * @example
   * ```ts
   * const enqueued = await reseolio.backfillSchedule("nightly", { from: new Date("2026-11-01T00:00:00Z") });
   * ```
   *
   * @returns how many jobs were enqueued, or with `dryRun` how many would be
   * @throws ReseolioError `invalid_argument` that names the option, `not_found`
   */
  async backfillSchedule(name: string, window: BackfillWindow): Promise<number> {
    return (await this.#lifecycle.connected()).schedules.backfillSchedule(name, window);
  }

  /**
   * The next ticks of a schedule, given by name, or of a rule that is not stored.
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

  /** Called by EventEmitter when an asynchronous listener rejects. */
  override [EventEmitter.captureRejectionSymbol](error: unknown, name: string): void {
    logListenerError(this.#settings.logger, name, error);
  }

  /** Same as the exported function `context`. */
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

/** File and line of the call to `durable`, for error messages. */
function callerLocation(): string {
  const line = new Error().stack?.split("\n")[3] ?? "";
  return line.trim().replace(/^at /, "") || "an unknown location";
}
