import { MAX_UINT32 } from "#proto/contract.ts";
import { JOB_OPTIONS } from "#proto/job-options.ts";
import { ReseolioError } from "../errors.ts";
import { checkChoice, checkFraction, checkNames, checkOptions, checkWhole, show } from "./option-faults.ts";

/**
 * Options of a step. Without `maxAttempts` the handler receives the first error. Durations are whole milliseconds; the
 * defaults are those of jobs.
 *
 * @example
 * ```ts
 * const patient: StepOptions = { maxAttempts: 5, initialDelayMs: 60_000, timeoutMs: 10_000 };
 * ```
 */
export interface StepOptions<Result = unknown> {
  /** Attempts before the error is recorded and thrown as a StepFailedError. [no retries within the step] */
  readonly maxAttempts?: number;
  /** How the delay between attempts grows from initialDelayMs. [exponential] */
  readonly backoff?: "fixed" | "linear" | "exponential";
  /** Delay before the second attempt; long ones hold no slot. [1000] */
  readonly initialDelayMs?: number;
  /** Upper bound of the delay, before jitter. [60000] */
  readonly maxDelayMs?: number;
  /** Share by which a delay may differ from its nominal value, 0 to 1. [0.1] */
  readonly jitter?: number;
  /** Time limit of one attempt of the step: its signal fires, and it fails even if it ignores the signal. [none] */
  readonly timeoutMs?: number;
  /**
   * Undoes what the step did, if the job ends DEAD or CANCELLED after the step was recorded. It runs on any worker that
   * serves the function, survives crashes and has its own retries; the last step is undone first. Like a step, it may
   * run once more if the process dies between its effect and its record. [nothing is undone]
   *
   * @param result the result that the step recorded
   */
  undo?(result: Result, undo: UndoRun): unknown;
}

/**
 * The second argument of a step's undo, after the step's recorded result.
 *
 * @example
 * ```ts
 * const release = (seat: string, { jobId, signal }: UndoRun) =>
 *   fetch(`https://example.com/seats/${seat}`, { method: "DELETE", headers: { "idempotency-key": jobId }, signal });
 * ```
 */
export interface UndoRun {
  /** The job whose step is undone. */
  readonly jobId: string;
  /** The step's name. */
  readonly name: string;
  /** Attempt of the undo, from 1. */
  readonly attempt: number;
  readonly signal: AbortSignal;
}

const OPTION_NAMES: ReadonlySet<string> = new Set<keyof StepOptions>([
  "maxAttempts",
  "backoff",
  "initialDelayMs",
  "maxDelayMs",
  "jitter",
  "timeoutMs",
  "undo",
]);

const GROWTH = {
  fixed: () => 1,
  linear: (attempt: number) => attempt,
  exponential: (attempt: number) => 2 ** Math.min(attempt - 1, 60),
};

const MAX_TIMER_MS = 2 ** 31 - 1;

/** @throws ReseolioError `invalid_argument` that lists every fault */
export function checkStepOptions(stepName: string, options: StepOptions): void {
  const faults: string[] = [];
  checkOptions(options, `step ${JSON.stringify(stepName)}:`);
  checkNames(options, OPTION_NAMES, faults);
  checkWhole("maxAttempts", options.maxAttempts, { min: 1, max: MAX_UINT32 }, faults);
  checkWhole("initialDelayMs", options.initialDelayMs, JOB_OPTIONS.initialDelayMs, faults);
  checkWhole("maxDelayMs", options.maxDelayMs, JOB_OPTIONS.maxDelayMs, faults);
  checkWhole("timeoutMs", options.timeoutMs, { min: 1, max: MAX_TIMER_MS }, faults);
  checkChoice("backoff", options.backoff, JOB_OPTIONS.backoff.choices, faults);
  const undo: unknown = options.undo;
  if (undo !== undefined && typeof undo !== "function") faults.push(`option undo is ${show(undo)}; pass a function`);
  checkFraction("jitter", options.jitter, JOB_OPTIONS.jitter, faults);
  if (faults.length === 0) return;
  throw new ReseolioError("invalid_argument", `step ${JSON.stringify(stepName)}: ${faults.join("; ")}`);
}

/** Milliseconds before the attempt after this one. @param chance from 0 to 1 */
export function stepDelayMs(options: StepOptions, attempt: number, chance: number): number {
  const backoff = options.backoff ?? JOB_OPTIONS.backoff.default;
  const initialDelayMs = options.initialDelayMs ?? JOB_OPTIONS.initialDelayMs.default;
  const maxDelayMs = options.maxDelayMs ?? JOB_OPTIONS.maxDelayMs.default;
  const jitter = options.jitter ?? JOB_OPTIONS.jitter.default;
  const nominal = Math.min(initialDelayMs * GROWTH[backoff](attempt), maxDelayMs);
  return Math.round(nominal * (1 + jitter * (2 * chance - 1)));
}
