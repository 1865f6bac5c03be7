import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type JobOptions as JobOptionsMessage, JobOptionsSchema } from "#proto/gen/reseolio/v1/job_pb.ts";
import { type Bounds, JOB_OPTIONS, type JobOptionName, type JobOptionRule } from "#proto/job-options.ts";
import { BACKOFFS, ON_DUPLICATES } from "#proto/option-enums.ts";
import { ReseolioError } from "../errors.ts";
import { checkChoice, checkDate, checkFraction, checkNames, checkOptions, checkWhole, show } from "./option-faults.ts";

/**
 * Options of a job. An absent one uses the daemon's default, in brackets. Durations are whole milliseconds.
 *
 * @example
 * ```ts
 * const patient: JobOptions = { maxAttempts: 10, backoff: "linear", initialDelayMs: 500, timeoutMs: 0 };
 * const tomorrow: JobOptions = { runAt: new Date("2026-11-22T06:00:00Z"), finishWithinMs: 86_400_000 };
 * ```
 */
export interface JobOptions {
  /** Attempts that may end in an error or a timeout before the job is DEAD, at least 1. [3] */
  readonly maxAttempts?: number;
  /** How the delay between attempts grows from initialDelayMs. [exponential] */
  readonly backoff?: "fixed" | "linear" | "exponential";
  /** Delay before the second attempt. [1000] */
  readonly initialDelayMs?: number;
  /** Upper bound of the delay, before jitter. [60000] */
  readonly maxDelayMs?: number;
  /** Share by which a delay may differ from its nominal value, 0 to 1. [0.1] */
  readonly jitter?: number;
  /** Time limit of one attempt, not counting time without a slot; 0 = none. [30000] */
  readonly timeoutMs?: number;
  /** Delay before the job may run. Cannot be combined with runAt. [0] */
  readonly delayMs?: number;
  /** Time before which the job may not run. Cannot be combined with delayMs. [now] */
  readonly runAt?: Date;
  /** Higher runs first. [0] */
  readonly priority?: number;
  /** Cancel the job if it has not started within this time. [none] */
  readonly startWithinMs?: number;
  /** Cancel the job if it has not finished within this time. [none] */
  readonly finishWithinMs?: number;
  /** One job per function and key, for as long as the job is retained. [none] */
  readonly idempotencyKey?: string;
  /** What to do if a job with this key exists. [return_existing] */
  readonly onDuplicate?: "return_existing" | "reject" | "replace_finished";
  /** Passed to the handler. */
  readonly headers?: Readonly<Record<string, string>>;
}

const OPTION_NAMES: ReadonlySet<string> = new Set(Object.keys(JOB_OPTIONS));

/** The rule for a trailing argument: a plain, non-empty object whose keys are all names of options. */
export function isJobOptions(value: unknown): value is JobOptions {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  let count = 0;
  for (const key in value) {
    if (!OPTION_NAMES.has(key)) return false;
    count++;
  }
  return count > 0;
}

/** The function's options with the call's on top: headers are joined, delayMs and runAt replace each other. */
export function mergeJobOptions(base: JobOptions, call: JobOptions): JobOptions {
  checkOptions(call);
  const merged: { -readonly [K in keyof JobOptions]: JobOptions[K] } = { ...base, ...call };
  if (call.runAt !== undefined && call.delayMs === undefined) delete merged.delayMs;
  if (call.delayMs !== undefined && call.runAt === undefined) delete merged.runAt;
  if (base.headers !== undefined && call.headers !== undefined) merged.headers = { ...base.headers, ...call.headers };
  return merged;
}

/**
 * Only what was set goes on the wire, so that defaults are the daemon's. Undefined when nothing was set.
 *
 * @throws ReseolioError `invalid_argument` that lists every fault with the option's name, its value and what is right
 */
export function encodeJobOptions(owner: string, options: JobOptions): JobOptionsMessage | undefined {
  const faults = checkJobOptions(options);
  if (faults.length > 0) throw new ReseolioError("invalid_argument", `${owner}: ${faults.join("; ")}`);
  if (Object.values(options).every((value) => value === undefined)) return undefined;
  const message = create(JobOptionsSchema, { headers: { ...options.headers } });
  copyNumbers(options, message);
  if (options.backoff !== undefined) message.backoff = BACKOFFS[options.backoff];
  if (options.onDuplicate !== undefined) message.onDuplicate = ON_DUPLICATES[options.onDuplicate];
  if (options.idempotencyKey !== undefined) message.idempotencyKey = options.idempotencyKey;
  if (options.runAt !== undefined) message.runAt = timestampFromMs(options.runAt.getTime());
  return message;
}

function copyNumbers(options: JobOptions, message: JobOptionsMessage): void {
  if (options.maxAttempts !== undefined) message.maxAttempts = options.maxAttempts;
  if (options.initialDelayMs !== undefined) message.initialDelayMs = options.initialDelayMs;
  if (options.maxDelayMs !== undefined) message.maxDelayMs = options.maxDelayMs;
  if (options.jitter !== undefined) message.jitter = options.jitter;
  if (options.timeoutMs !== undefined) message.timeoutMs = options.timeoutMs;
  if (options.priority !== undefined) message.priority = options.priority;
  if (options.delayMs !== undefined) message.delayMs = BigInt(options.delayMs);
  if (options.startWithinMs !== undefined) message.startWithinMs = BigInt(options.startWithinMs);
  if (options.finishWithinMs !== undefined) message.finishWithinMs = BigInt(options.finishWithinMs);
}

/** Checks every option here, as one bad call must not spoil a frame of good ones. */
function checkJobOptions(options: JobOptions): string[] {
  const faults: string[] = [];
  checkNames(options, OPTION_NAMES, faults);
  for (const name of Object.keys(JOB_OPTIONS) as JobOptionName[]) {
    checkOption(name, options[name], JOB_OPTIONS[name], faults);
  }
  if (options.runAt !== undefined && options.delayMs !== undefined) {
    faults.push("options delayMs and runAt cannot be combined; set only one of them");
  }
  return faults;
}

function checkOption(name: JobOptionName, value: unknown, rule: JobOptionRule, faults: string[]): void {
  switch (rule.kind) {
    case "integer":
    case "duration":
      return checkWhole(name, value, rule, faults);
    case "fraction":
      return checkFraction(name, value, rule, faults);
    case "choice":
      return checkChoice(name, value, rule.choices, faults);
    case "time":
      return checkDate(name, value, faults);
    case "text":
      return checkText(name, value, rule, faults);
    case "headers":
      return checkHeaders(value, rule.max, faults);
  }
}

function checkText(name: string, text: unknown, { min, max }: Bounds, faults: string[]): void {
  if (text === undefined) return;
  const length = typeof text === "string" ? Buffer.byteLength(text) : 0;
  if (typeof text === "string" && !text.isWellFormed()) {
    faults.push(`option ${name} is ${show(text)}, which contains an unpaired surrogate; use well-formed text`);
    return;
  }
  if (length >= min && length <= max) return;
  const given = typeof text === "string" ? `is ${length} bytes long` : `is ${show(text)}`;
  faults.push(`option ${name} ${given}; use a string of ${min} to ${max} bytes`);
}

function checkHeaders(headers: unknown, max: number, faults: string[]): void {
  if (headers === undefined) return;
  if (typeof headers !== "object" || headers === null) {
    faults.push(`option headers is ${show(headers)}; pass an object of strings`);
    return;
  }
  let length = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== "string") faults.push(`option headers.${name} is ${show(value)}; use a string`);
    else length += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (length > max) {
    faults.push(`option headers is ${length} bytes long; at most ${max} are allowed`);
  }
}
