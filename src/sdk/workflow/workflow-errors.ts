/** Errors of durable operations. Their messages must stay as they are, as replays of older jobs must get the same. */
import { ReseolioError } from "../errors.ts";

/**
 * Thrown by `awaitEvent` with a timeout: the event was not emitted in time. Every execution receives the same error,
 * unless it ends the attempt: then the next attempt waits for the whole timeout again.
 *
 * @example
 * ```ts
 * const { awaitEvent } = context();
 * const paid = await awaitEvent("paid:1001", { timeoutMs: 86_400_000 }).catch((error: unknown) => {
 *   if (error instanceof EventTimeoutError) return null;
 *   throw error;
 * });
 * ```
 */
export class EventTimeoutError extends ReseolioError {
  override readonly name = "EventTimeoutError";
  readonly eventName: string;
  readonly timeoutMs: number;

  constructor(eventName: string, timeoutMs: number) {
    super("event_timeout", `the event ${JSON.stringify(eventName)} did not happen within ${timeoutMs} ms`);
    this.eventName = eventName;
    this.timeoutMs = timeoutMs;
  }
}

/**
 * Thrown by a step with `maxAttempts` that failed that many times, or with a TerminalError. `cause` is an Error with
 * the name, message and stack of its last error, the same in every execution. The step runs again only if this error
 * leaves the handler, directly or as a cause, and so ends the attempt.
 *
 * @example
 * ```ts
 * const { step } = context();
 * await step("charge", () => Promise.reject(new Error("declined")), { maxAttempts: 2 }).catch((error: unknown) => {
 *   if (error instanceof StepFailedError) console.warn(error.stepName, error.cause);
 * });
 * ```
 */
export class StepFailedError extends ReseolioError {
  override readonly name = "StepFailedError";
  readonly stepName: string;
  /** The step threw a TerminalError, so retrying is pointless. */
  readonly isTerminal: boolean;

  constructor(stepName: string, cause: Error) {
    super("step_failed", `step ${JSON.stringify(stepName)} failed for good: ${cause.message}`, { cause });
    this.stepName = stepName;
    this.isTerminal = cause.name === "TerminalError";
  }
}

/**
 * Thrown by `awaitSignal` with a timeout: no signal of this name was sent to the job in time. Every execution receives
 * the same error, unless it ends the attempt: then the next attempt waits for the whole timeout again.
 *
 * @example
 * ```ts
 * const { awaitSignal } = context();
 * const approval = await awaitSignal("approved", { timeoutMs: 86_400_000 }).catch((error: unknown) => {
 *   if (error instanceof SignalTimeoutError) return null;
 *   throw error;
 * });
 * ```
 */
export class SignalTimeoutError extends ReseolioError {
  override readonly name = "SignalTimeoutError";
  readonly signalName: string;
  readonly timeoutMs: number;

  constructor(signalName: string, timeoutMs: number) {
    super("signal_timeout", `the signal ${JSON.stringify(signalName)} was not sent within ${timeoutMs} ms`);
    this.signalName = signalName;
    this.timeoutMs = timeoutMs;
  }
}
