import type { JobHandle } from "./job-handle.ts";
import type { Logger } from "./logger.ts";
import type { StepOptions } from "./options/step-options.ts";
import type { EmittedEvent } from "./sent-messages.ts";
import type { JobResult } from "./serialized.ts";

/**
 * The context of a handler: the attempt it runs in, and its durable operations.
 *
 * @example
 * ```ts
 * reseolio.durable("orders:notify", async (url: string) => {
 *   const { jobId, attempt, signal, log } = context();
 *   log.info("notifying", { url, attempt });
 *   // The same ID in every attempt, so the receiver can recognize a repeated request.
 *   await fetch(url, { method: "POST", headers: { "idempotency-key": jobId }, signal });
 * });
 * ```
 */
export interface Context {
  /** The same in every attempt: a good idempotency key for side effects of the handler. */
  readonly jobId: string;
  /** Number of this attempt, from 1. Keeps counting after a crash and after a manual retry. */
  readonly attempt: number;
  /** From the job's options. */
  readonly maxAttempts: number;
  readonly functionName: string;
  /** From the job's options. */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * The tick for which a schedule enqueued the job, however late the job runs. Undefined in other jobs.
   *
   * @example
   * ```ts
   * reseolio.durable("reports:daily", async () => {
   *   const day = (context().scheduledAt ?? new Date()).toISOString().slice(0, 10);
   *   return { day };
   * });
   * ```
   */
  readonly scheduledAt: Date | undefined;
  /**
   * Fires when the attempt's outcome no longer counts: the job was cancelled, the attempt timed out or was taken over
   * by another worker, or the client stops. The reason is an Error that says which. What the handler returns afterwards
   * is not recorded.
   */
  readonly signal: AbortSignal;
  /** A logger that adds the job's ID, function and attempt to every message. */
  readonly log: Logger;

  /**
   * Runs `run` and records what it returns. Later executions of the job return the recorded value and do not call `run`
   * again. The value is returned as it reads after a trip through JSON, also the first time. If the process dies
   * between the effect of a step and its record, the step runs once more: pass the job's ID on as an idempotency key.
   *
   * An error is recorded too; the handler receives an Error with the name, message, stack and members of what was
   * thrown. If it leaves the handler, directly or as a cause, the attempt fails and the next one runs the step again.
   * If the handler catches it, later executions receive the same error. With `maxAttempts` the step has its own
   * retries. With `undo` it is undone when the job ends DEAD or CANCELLED. Steps may run concurrently, but not inside
   * each other.
   *
   * @example
   * ```ts
   * reseolio.durable("orders:ship", async (orderId: string) => {
   *   const { step, jobId } = context();
   *   const label = await step("label", () => ({ tracking: `T-${orderId}` }));
   *   await step("mail", () => console.log(`${label.tracking} is on its way`, jobId), { maxAttempts: 5 });
   *   return label.tracking;
   * });
   * ```
   *
   * @param name unique within the handler and the same in every execution; repeated names are numbered
   * @throws an Error like the one that `run` threw; StepFailedError when the step's own attempts are used up;
   *   ReseolioError `serialization` for a value that JSON cannot represent
   */
  readonly step: <T>(
    name: string,
    run: (step: StepRun) => T,
    options?: StepOptions<JobResult<Awaited<T>>>,
  ) => Promise<JobResult<Awaited<T>>>;

  /**
   * Sleeps without holding a slot. The sleep survives restarts without getting longer, later executions do not repeat
   * it, it never ends early, and it does not count against `timeoutMs` of the job.
   *
   * @example
   * ```ts
   * reseolio.durable("users:remind", async (email: string) => {
   *   await context().sleepFor("a week", 7 * 24 * 3_600_000);
   *   return email;
   * });
   * ```
   *
   * @param ms milliseconds, counted from the first execution that gets here
   */
  readonly sleepFor: (name: string, ms: number) => Promise<void>;

  /** Sleeps like `sleepFor`, until the given time. Returns at once if that has passed. */
  readonly sleepUntil: (name: string, at: Date) => Promise<void>;

  /**
   * Waits for the event of this name without holding a slot, and returns its payload. By default an event that was
   * emitted earlier counts.
   *
   * @example
   * ```ts
   * reseolio.durable("orders:approve", async (orderId: string) => {
   *   const { by } = await context().awaitEvent<{ by: string }>(`approved:${orderId}`, { timeoutMs: 86_400_000 });
   *   return by;
   * });
   * ```
   *
   * @throws EventTimeoutError when it was not emitted within `timeoutMs`, counted from the first execution that gets
   *   here
   */
  readonly awaitEvent: <Payload = unknown>(eventName: string, options?: AwaitEventOptions) => Promise<Payload>;

  /**
   * Waits, without holding a slot, for the next signal of this name sent to this job (`job.signal(name, payload)`), and
   * returns its payload. Signals are kept in the order in which they were sent, and each is consumed by one wait.
   *
   * @example
   * ```ts
   * reseolio.durable("orders:approve", async (orderId: string) => {
   *   const { by } = await context().awaitSignal<{ by: string }>("approved", { timeoutMs: 86_400_000 });
   *   return `${orderId} approved by ${by}`;
   * });
   * ```
   *
   * @throws SignalTimeoutError when none was sent within `timeoutMs`, counted from the first execution that gets here
   */
  readonly awaitSignal: <Payload = unknown>(name: string, options?: AwaitSignalOptions) => Promise<Payload>;

  /**
   * Waits for the first of several events, jobs and sleeps, without holding a slot. Which one came first is recorded.
   * The others are no longer awaited; jobs among them continue.
   *
   * @example
   * ```ts
   * reseolio.durable("orders:decide", async (orderId: string) => {
   *   const first = await context().awaitAny("decision", [
   *     { event: `approved:${orderId}` },
   *     { event: `rejected:${orderId}` },
   *     { sleepFor: 3_600_000 },
   *   ]);
   *   return ["approved", "rejected", "too late"][first.index];
   * });
   * ```
   *
   * @throws what `result()` throws, if the first to end is a job that failed
   */
  readonly awaitAny: <const Sources extends readonly AwaitSource[]>(
    name: string,
    sources: Sources,
  ) => Promise<FirstOf<Sources>>;

  /** Same as `reseolio.emitEvent`. Safe to repeat: the first payload is kept. */
  readonly emitEvent: (name: string, payload?: unknown) => Promise<EmittedEvent>;

  /** Extends the attempt's time limit to this many milliseconds from now. For long work outside steps. */
  readonly heartbeat: (ms: number) => void;

  /** The time at which the first execution got here, the same in every later one. It is recorded, so await it. */
  readonly now: (name?: string) => Promise<Date>;

  /** A number in [0, 1) that is the same in every execution: derived from the job's ID, nothing is recorded. */
  readonly random: (name?: string) => number;

  /**
   * A UUID that is the same in every execution. Anyone who knows the job's ID can derive it: for secrets use a step.
   */
  readonly uuid: (name?: string) => string;
}

/**
 * What the code of a step receives.
 *
 * @example
 * ```ts
 * const read = async ({ signal }: StepRun) => (await fetch("https://example.com", { signal })).text();
 * const page = await context().step("read", read, { maxAttempts: 3, timeoutMs: 5_000 });
 * ```
 */
export interface StepRun {
  readonly name: string;
  /** From 1. */
  readonly attempt: number;
  /** Fires with the handler's signal, and when the step's own time limit is reached. */
  readonly signal: AbortSignal;
}

export interface AwaitEventOptions {
  /** Milliseconds. [no limit] */
  readonly timeoutMs?: number;
  /** "start": ignores an event that was emitted before this job was enqueued. [any event of the name counts] */
  readonly since?: "start";
}

export interface AwaitSignalOptions {
  /** Milliseconds. [no limit] */
  readonly timeoutMs?: number;
}

/** Something that `awaitAny` can wait for: an event by its name, a job by its handle, or a sleep. */
export type AwaitSource =
  | { readonly event: string }
  | { readonly job: JobHandle }
  /** Milliseconds. */
  | { readonly sleepFor: number }
  | { readonly sleepUntil: Date };

/**
 * The source that came first: its index in the list, and the event's payload or the job's result; null after a sleep.
 *
 * @example
 * ```ts
 * const first = await context().awaitAny("reply", [{ event: "reply:7" }, { sleepFor: 60_000 }]);
 * const text = first.index === 0 ? JSON.stringify(first.value) : "no reply";
 * ```
 */
export type FirstOf<Sources extends readonly AwaitSource[]> = {
  readonly [Index in keyof Sources]: { readonly index: IndexOf<Index>; readonly value: ValueOf<Sources[Index]> };
}[number];

type IndexOf<Key> = Key extends `${infer Index extends number}` ? Index : number;
type ValueOf<Source> = Source extends { readonly job: JobHandle<infer Result> }
  ? Result
  : Source extends { readonly event: string }
    ? unknown
    : null;
