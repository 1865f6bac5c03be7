import type { JobHandle } from "./job-handle.ts";
import type { Logger } from "./logger.ts";
import type { StepOptions } from "./options/step-options.ts";
import type { EmittedEvent } from "./sent-messages.ts";
import type { JobResult } from "./serialized.ts";

/**
 * What a handler knows of the attempt it runs in.
 *
 * @example
 * ```ts
 * reseolio.durable("orders:notify", async (url: string) => {
 *   const { jobId, attempt, signal, log } = context();
 *   log.info("notifying", { url, attempt });
 *   // The same id in every attempt: the receiver can tell a repeated request.
 *   await fetch(url, { method: "POST", headers: { "idempotency-key": jobId }, signal });
 * });
 * ```
 */
export interface Context {
  /** The same in every attempt: a good idempotency key for what the handler does elsewhere. */
  readonly jobId: string;
  /** Number of this execution, from 1. Goes on after a crash and after a retry by a person. */
  readonly attempt: number;
  /** Of the job's options. */
  readonly maxAttempts: number;
  readonly functionName: string;
  /** Of the job's options. */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * In the job of a schedule's tick, that tick: what the job is about, however late it runs. Undefined in other jobs.
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
   * Fires when the attempt has lost its meaning: cancelled, out of time, taken over by another worker, or the client
   * stops. Its reason is an Error that says which. What the handler returns afterwards is not recorded.
   */
  readonly signal: AbortSignal;
  /** Adds the job to every message. */
  readonly log: Logger;

  /**
   * Runs `run` and records what it returns: in every later execution of the job the recorded value is given back and
   * `run` is not called again. Recorded values went through JSON, also the first time. When the process dies between
   * the effect of a step and its record the step runs once more: pass the job's id on as an idempotency key.
   *
   * An error is recorded, and given to the handler as an Error with the name, message, stack and members of what was
   * thrown. If it leaves the handler, by itself or as a cause, the attempt fails and the next one tries the step again; one
   * that the handler caught is a fact. With `maxAttempts` the step has retries of its own. With `undo` it is undone when the
   * job ends DEAD or CANCELLED. Steps may run beside each other, but not inside each other.
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
   * @param name unique within the handler and the same in every execution; a repeated one is numbered
   * @throws an Error like the one that `run` threw; StepFailedError when its own attempts are used up; ReseolioError
   *   `serialization` for a value that JSON loses
   */
  readonly step: <T>(
    name: string,
    run: (step: StepRun) => T,
    options?: StepOptions<JobResult<Awaited<T>>>,
  ) => Promise<JobResult<Awaited<T>>>;

  /**
   * Sleeps without a slot, a timeout or a process: restarts do not lengthen it, a repeated execution does not repeat
   * it. Never early, and not counted against `timeoutMs` of the job.
   *
   * @example
   * ```ts
   * reseolio.durable("users:remind", async (email: string) => {
   *   await context().sleepFor("a week", 7 * 24 * 3_600_000);
   *   return email;
   * });
   * ```
   *
   * @param ms milliseconds from the first time that the job comes here
   */
  readonly sleepFor: (name: string, ms: number) => Promise<void>;

  /** As `sleepFor`, until a time; one that has passed is no sleep. */
  readonly sleepUntil: (name: string, at: Date) => Promise<void>;

  /**
   * Waits, without a slot, for the event of this name and gives its payload. An event that happened before counts.
   *
   * @example
   * ```ts
   * reseolio.durable("orders:approve", async (orderId: string) => {
   *   const { by } = await context().awaitEvent<{ by: string }>(`approved:${orderId}`, { timeoutMs: 86_400_000 });
   *   return by;
   * });
   * ```
   *
   * @throws EventTimeoutError when it has not happened within `timeoutMs` of the first time that the job comes here
   */
  readonly awaitEvent: <Payload = unknown>(eventName: string, options?: AwaitEventOptions) => Promise<Payload>;

  /**
   * Waits, without a slot, for the next signal of this name that was sent to this job (`job.signal(name, payload)`) and
   * gives its payload. Signals are kept in order from the moment in which they are sent, and each is given to one wait.
   *
   * @example
   * ```ts
   * reseolio.durable("orders:approve", async (orderId: string) => {
   *   const { by } = await context().awaitSignal<{ by: string }>("approved", { timeoutMs: 86_400_000 });
   *   return `${orderId} approved by ${by}`;
   * });
   * ```
   *
   * @throws SignalTimeoutError when none was sent within `timeoutMs` of the first time that the job comes here
   */
  readonly awaitSignal: <Payload = unknown>(name: string, options?: AwaitSignalOptions) => Promise<Payload>;

  /**
   * Waits, without a slot, for the first of several events, jobs or a sleep. Which one it was is recorded; the others
   * are awaited no more, and jobs among them go on.
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
   * @throws what `result()` throws when the first to end is a job that failed
   */
  readonly awaitAny: <const Sources extends readonly AwaitSource[]>(
    name: string,
    sources: Sources,
  ) => Promise<FirstOf<Sources>>;

  /** As `reseolio.emitEvent`. Harmless to repeat: the first payload is kept. */
  readonly emitEvent: (name: string, payload?: unknown) => Promise<EmittedEvent>;

  /** Gives this attempt so many milliseconds from now, whatever its time limit was. For long work outside of steps. */
  readonly heartbeat: (ms: number) => void;

  /** The time at which the job came here first, the same in every execution. Recorded, so it is awaited. */
  readonly now: (name?: string) => Promise<Date>;

  /** A number from 0 to 1 that is the same in every execution: made from the job's id, nothing is recorded. */
  readonly random: (name?: string) => number;

  /** As `random`. No secret: who knows the job's id can make it too; for secrets use `step` with `crypto.randomUUID`. */
  readonly uuid: (name?: string) => string;
}

/**
 * What the code of a step is given.
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
  /** Fires with the handler's signal, and when the step's own time is over. */
  readonly signal: AbortSignal;
}

export interface AwaitEventOptions {
  /** Milliseconds. [for ever] */
  readonly timeoutMs?: number;
  /** "start": an event that was emitted before this job was called does not count. [any event of the name counts] */
  readonly since?: "start";
}

export interface AwaitSignalOptions {
  /** Milliseconds. [for ever] */
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
 * What came first: its place in the list, and the event's payload or the job's result; null after a sleep.
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
