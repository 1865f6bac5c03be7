/**
 * The errors of the SDK, with a closed list of codes for programs. Messages of errors that a handler receives must stay as
 * they are: a job that began under an earlier version is replayed, and must get the same.
 */
import type { ERROR_REASONS } from "#proto/contract.ts";

/** What went wrong, for programs; the list is closed. */
export type ReseolioErrorCode =
  /** Thrown by a handler: no retry. */
  | "terminal"
  /** Thrown by a handler: retry after a given time. */
  | "retry_after"
  /** The awaited job is DEAD. */
  | "job_failed"
  /** The awaited job is CANCELLED. */
  | "job_cancelled"
  /** A step has used up its own attempts. */
  | "step_failed"
  /** The awaited event was not emitted in time. */
  | "event_timeout"
  /** The awaited signal was not sent in time. */
  | "signal_timeout"
  /** No longer thrown: a job whose records do not match the code waits for code that does. */
  | "checkpoint_conflict"
  /** The job did not end within the caller's timeout; it continues. */
  | "result_timeout"
  /** The daemon did not answer. */
  | "connection"
  /** A value that the caller gave is not allowed. */
  | "invalid_argument"
  /** Arguments or a result that JSON cannot represent. */
  | "serialization"
  | "not_found"
  | "already_exists"
  /** The state of the client, job or schedule does not allow it. */
  | "failed_precondition"
  /** A limit is reached: size, disk, connections. */
  | "resource_exhausted"
  /** The token is missing or wrong. */
  | "unauthenticated"
  | "permission_denied"
  /** The executable was not found, or the daemon did not start. */
  | "daemon_start"
  /** The daemon at this address serves a different storage. */
  | "storage_mismatch"
  /** `context()` outside a handler. */
  | "no_context"
  | "internal";

/**
 * The base class of all errors of the SDK. `code` is for programs; the message tells people what failed, with which
 * value, and what to do.
 *
 * @example
 * ```ts
 * const refusal = await charge.with({ idempotencyKey: "order-1001", onDuplicate: "reject" })("order-1001", 4200).then(
 *   () => null,
 *   (error: unknown) => (error instanceof ReseolioError ? error.code : "internal"),
 * ); // "already_exists" when the job is there
 * ```
 */
export class ReseolioError extends Error {
  override readonly name: string = "ReseolioError";
  readonly code: ReseolioErrorCode;

  constructor(code: ReseolioErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Thrown by a handler to end its job as DEAD at once, however many attempts are left.
 *
 * @example
 * ```ts
 * reseolio.durable("orders:pay", async (cents: number) => {
 *   if (cents <= 0) throw new TerminalError(`nothing to pay: ${cents}`);
 * });
 * ```
 */
export class TerminalError extends ReseolioError {
  override readonly name = "TerminalError";

  constructor(message: string, options?: ErrorOptions) {
    super("terminal", message, options);
  }
}

/**
 * Thrown by a handler to delay the next attempt by `retryAfterMs` instead of the job's backoff. The attempt counts as
 * failed.
 *
 * @example
 * ```ts
 * reseolio.durable("bank:ask", async (url: string) => {
 *   const response = await fetch(url, { signal: context().signal });
 *   if (response.status === 429) throw new RetryAfterError(Number(response.headers.get("retry-after") ?? 1) * 1000);
 * });
 * ```
 */
export class RetryAfterError extends ReseolioError {
  override readonly name = "RetryAfterError";
  readonly retryAfterMs: number;

  /** @param retryAfterMs milliseconds, 0 or more */
  constructor(retryAfterMs: number, message = `retry after ${retryAfterMs} ms`, options?: ErrorOptions) {
    super("retry_after", message, options);
    if (!Number.isFinite(retryAfterMs) || retryAfterMs < 0) {
      throw new ReseolioError("invalid_argument", `retryAfterMs is ${retryAfterMs}; give milliseconds, 0 or more`);
    }
    this.retryAfterMs = Math.ceil(retryAfterMs);
  }
}

/** Why a job ended without a result; the values of `JobError.reason`. */
export type JobErrorReason = (typeof ERROR_REASONS)[number];

/**
 * Thrown by `result()`: the job is DEAD. `cause` is an Error with the name, message and stack of the handler's last
 * error.
 *
 * @example
 * ```ts
 * await job.result().catch((error: unknown) => {
 *   if (error instanceof JobFailedError) console.error(error.jobId, error.reason, error.cause);
 * });
 * ```
 */
export class JobFailedError extends ReseolioError {
  override readonly name = "JobFailedError";
  readonly jobId: string;
  readonly reason: JobErrorReason;

  constructor(jobId: string, reason: JobErrorReason, cause: Error) {
    super("job_failed", `job ${jobId} failed for good (${reason}): ${cause.message}`, { cause });
    this.jobId = jobId;
    this.reason = reason;
  }
}

/**
 * Thrown by `result()`: the job was cancelled, by a caller or by a deadline (`reason` says which).
 *
 * @example
 * ```ts
 * await job.result().catch((error: unknown) => {
 *   if (error instanceof JobCancelledError) console.warn(error.reason); // "cancelled", "start_deadline", …
 * });
 * ```
 */
export class JobCancelledError extends ReseolioError {
  override readonly name = "JobCancelledError";
  readonly jobId: string;
  readonly reason: JobErrorReason;

  constructor(jobId: string, reason: JobErrorReason, message: string) {
    super("job_cancelled", `job ${jobId} was cancelled: ${message}`);
    this.jobId = jobId;
    this.reason = reason;
  }
}

/**
 * Thrown by `result(timeoutMs)`: the job did not end in time. The job itself continues.
 *
 * @example
 * ```ts
 * await job.result(5_000).catch((error: unknown) => {
 *   if (error instanceof ResultTimeoutError) console.log(`still waiting for ${error.jobId}`);
 * });
 * ```
 */
export class ResultTimeoutError extends ReseolioError {
  override readonly name = "ResultTimeoutError";
  readonly jobId: string;
  readonly timeoutMs: number;

  constructor(jobId: string, timeoutMs: number) {
    super(
      "result_timeout",
      `job ${jobId} did not end within ${timeoutMs} ms; it goes on, call result() again to wait longer`,
    );
    this.jobId = jobId;
    this.timeoutMs = timeoutMs;
  }
}

/**
 * The daemon could not be reached, or did not answer in time. The call may or may not have been carried out: give
 * enqueues an idempotency key if your program repeats them.
 *
 * @example
 * ```ts
 * const key = { idempotencyKey: "order-1001" };
 * const sent = await charge.with(key)("order-1001", 4200).catch((error: unknown) => {
 *   if (error instanceof ConnectionError) return charge.with(key)("order-1001", 4200); // the same job
 *   throw error;
 * });
 * ```
 */
export class ConnectionError extends ReseolioError {
  override readonly name = "ConnectionError";
  /** As passed by the program: `host:port` or a URL. */
  readonly address: string;

  constructor(address: string, message: string, options?: ErrorOptions) {
    super("connection", message, options);
    this.address = address;
  }
}
