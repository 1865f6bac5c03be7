import { AsyncLocalStorage } from "node:async_hooks";
import { SCHEDULED_AT_HEADER } from "#proto/contract.ts";
import { ReseolioError } from "./errors.ts";
import { type Logger, withFields } from "./logger.ts";

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
}

const storage = new AsyncLocalStorage<HandlerContext>();

/**
 * The context of the handler in whose call this runs, also after an `await` and inside functions that it calls.
 *
 * @example
 * ```ts
 * reseolio.durable("demo:slow", async () => {
 *   context().signal.throwIfAborted();
 * });
 * ```
 *
 * @throws ReseolioError `no_context` outside a handler
 */
export function context(): Context {
  const current = storage.getStore();
  if (current !== undefined) return current;
  throw new ReseolioError("no_context", "context() was called outside a handler; call it inside a durable function");
}

/** As `context()`, but undefined outside a handler. */
export function currentContext(): HandlerContext | undefined {
  return storage.getStore();
}

/** Runs a handler so that `context()` works inside it, also after an await. */
export function runInContext(
  current: HandlerContext,
  handler: (...args: never[]) => unknown,
  args: readonly unknown[],
): unknown {
  // The registry erased the handler's types; the arguments are whatever the caller stored.
  return storage.run(current, handler as (...args: readonly unknown[]) => unknown, ...args);
}

/** The signal and the logger are made when they are asked for: most handlers need neither. */
export class HandlerContext implements Context {
  #controller: AbortController | undefined;
  #reason: Error | undefined;
  #log: Logger | undefined;

  constructor(
    readonly jobId: string,
    readonly functionName: string,
    readonly attempt: number,
    readonly maxAttempts: number,
    readonly headers: Readonly<Record<string, string>>,
    private readonly logger: Logger,
    /** The client that runs the handler: only its own calls are children of the job. */
    readonly owner: object,
  ) {}

  get scheduledAt(): Date | undefined {
    const text = this.headers[SCHEDULED_AT_HEADER];
    const at = text === undefined ? Number.NaN : Date.parse(text);
    return Number.isNaN(at) ? undefined : new Date(at);
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  get log(): Logger {
    const { jobId, functionName, attempt } = this;
    this.#log ??= withFields(this.logger, { jobId, functionName, attempt });
    return this.#log;
  }

  /** Why the signal fired, if it did. */
  get abortReason(): Error | undefined {
    return this.#reason;
  }

  /** Fires the signal; only the first reason counts. */
  abort(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}
