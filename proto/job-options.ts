/** The rules of job options, in one table that the daemon, the SDK and the CLI read. */
import { MAX_DURATION_MS, MAX_INT32, MAX_UINT32, WIRE_LIMITS } from "./contract.ts";

/** An inclusive range of numbers, or of UTF-8 bytes. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
}

/** What an option accepts. An option without a default has no effect unless it is set. */
export type JobOptionRule = { readonly help: string } & (
  | (Bounds & { readonly kind: "integer"; readonly default: number })
  | (Bounds & { readonly kind: "fraction"; readonly default: number })
  /** Whole milliseconds. */
  | (Bounds & { readonly kind: "duration"; readonly default?: number })
  | { readonly kind: "time" }
  | { readonly kind: "choice"; readonly choices: readonly string[]; readonly default: string }
  | (Bounds & { readonly kind: "text" })
  /** `max` limits the bytes of all names and values together. */
  | { readonly kind: "headers"; readonly max: number }
);

export const JOB_OPTIONS = {
  maxAttempts: {
    kind: "integer",
    min: 1,
    max: MAX_INT32,
    default: 3,
    help: "Number of attempts before the job is DEAD",
  },
  backoff: {
    kind: "choice",
    choices: ["fixed", "linear", "exponential"],
    default: "exponential",
    help: "How the delay between attempts grows",
  },
  initialDelayMs: {
    kind: "duration",
    min: 0,
    max: MAX_UINT32,
    default: 1_000,
    help: "Delay before the second attempt",
  },
  maxDelayMs: { kind: "duration", min: 0, max: MAX_UINT32, default: 60_000, help: "Longest delay between attempts" },
  jitter: { kind: "fraction", min: 0, max: 1, default: 0.1, help: "Random fraction of a delay, 0 to 1" },
  timeoutMs: {
    kind: "duration",
    min: 0,
    max: MAX_UINT32,
    default: 30_000,
    help: "Time limit for one attempt; 0 means none",
  },
  delayMs: { kind: "duration", min: 0, max: MAX_DURATION_MS, help: "Run the job after this delay" },
  runAt: { kind: "time", help: "Run the job at this time" },
  priority: {
    kind: "integer",
    min: -MAX_INT32,
    max: MAX_INT32,
    default: 0,
    help: "Jobs with a higher priority run first",
  },
  startWithinMs: {
    kind: "duration",
    min: 1,
    max: MAX_DURATION_MS,
    help: "Cancel the job if it has not started by then",
  },
  finishWithinMs: {
    kind: "duration",
    min: 1,
    max: MAX_DURATION_MS,
    help: "Cancel the job if it has not finished by then",
  },
  idempotencyKey: {
    kind: "text",
    min: 1,
    max: WIRE_LIMITS.idempotencyKeyBytes,
    help: "At most one job per function and key",
  },
  onDuplicate: {
    kind: "choice",
    choices: ["return_existing", "reject", "replace_finished"],
    default: "return_existing",
    help: "If a job with the key exists: return it, fail, or replace it if it has finished",
  },
  headers: { kind: "headers", max: WIRE_LIMITS.headersBytes, help: "Header passed to the handler" },
} as const satisfies Readonly<Record<string, JobOptionRule>>;

export type JobOptionName = keyof typeof JOB_OPTIONS;

/** How the delay between attempts grows. */
export type BackoffKind = (typeof JOB_OPTIONS.backoff.choices)[number];

/** What to do if a job with the same function and idempotency key exists. */
export type OnDuplicateKind = (typeof JOB_OPTIONS.onDuplicate.choices)[number];
