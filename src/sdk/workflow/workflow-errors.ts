import { ReseolioError } from "../errors.ts";

/**
 * From `awaitEvent` with a timeout: the event had not happened by then. The same in every execution, but where it
 * ends the attempt: the next one waits again, the whole time.
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
 * From a step with `maxAttempts`: it has failed that often, or with a TerminalError. `cause` is an Error with the name,
 * message and stack of its last error, the same in every execution. The step is tried again only when this error leaves the
 * handler, by itself or as a cause, and so ends the attempt.
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
  /** Nothing would change by trying again: the step threw a TerminalError. */
  readonly isTerminal: boolean;

  constructor(stepName: string, cause: Error) {
    super("step_failed", `step ${JSON.stringify(stepName)} failed for good: ${cause.message}`, { cause });
    this.stepName = stepName;
    this.isTerminal = cause.name === "TerminalError";
  }
}

/**
 * From `awaitSignal` with a timeout: no signal of this name was sent to the job by then. The same in every execution, but
 * where it ends the attempt: the next one waits again, the whole time.
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
