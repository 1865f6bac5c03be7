import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { WIRE_LIMITS } from "#proto/contract.ts";
import {
  Backoff,
  type JobOptions as JobOptionsMessage,
  JobOptionsSchema,
  OnDuplicate,
} from "#proto/gen/reseolio/v1/job_pb.ts";
import { ReseolioError } from "../errors.ts";
import { checkChoice, checkDate, checkNames, checkOptions, checkWhole, show } from "./option-faults.ts";

/**
 * Options of a job. An absent one takes the daemon's default, in brackets. Lengths are whole milliseconds.
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
  /** Time limit of one attempt, time without a slot not counted; 0 = none. [30000] */
  readonly timeoutMs?: number;
  /** Not before this long after the call. Excludes runAt. [0] */
  readonly delayMs?: number;
  /** Not before this time. Excludes delayMs. [now] */
  readonly runAt?: Date;
  /** Higher runs first. [0] */
  readonly priority?: number;
  /** Cancel the job when it has not started by then. [none] */
  readonly startWithinMs?: number;
  /** Cancel the job when it has not finished by then. [none] */
  readonly finishWithinMs?: number;
  /** One job per function and key, for as long as the job is retained. [none] */
  readonly idempotencyKey?: string;
  /** What to do when a job with this key is there. [return_existing] */
  readonly onDuplicate?: "return_existing" | "reject" | "replace_finished";
  /** Passed to the handler. */
  readonly headers?: Readonly<Record<string, string>>;
}

const OPTION_NAMES: ReadonlySet<string> = new Set<keyof JobOptions>([
  "maxAttempts",
  "backoff",
  "initialDelayMs",
  "maxDelayMs",
  "jitter",
  "timeoutMs",
  "delayMs",
  "runAt",
  "priority",
  "startWithinMs",
  "finishWithinMs",
  "idempotencyKey",
  "onDuplicate",
  "headers",
]);

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

const BACKOFFS = { fixed: Backoff.FIXED, linear: Backoff.LINEAR, exponential: Backoff.EXPONENTIAL };
const ON_DUPLICATES = {
  return_existing: OnDuplicate.RETURN_EXISTING,
  reject: OnDuplicate.REJECT,
  replace_finished: OnDuplicate.REPLACE_FINISHED,
};

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

const MAX_UINT32 = 0xffff_ffff;
const MAX_INT32 = 0x7fff_ffff;
const MAX_LENGTH_MS = 100 * 365.25 * 24 * 3_600_000;

/** Bounds of what the wire can carry and the daemon accepts: one bad call must not spoil a frame of good ones. */
const WHOLE_NUMBERS = [
  ["maxAttempts", 1, MAX_INT32],
  ["initialDelayMs", 0, MAX_UINT32],
  ["maxDelayMs", 0, MAX_UINT32],
  ["timeoutMs", 0, MAX_UINT32],
  ["delayMs", 0, MAX_LENGTH_MS],
  ["priority", -MAX_INT32, MAX_INT32],
  ["startWithinMs", 1, MAX_LENGTH_MS],
  ["finishWithinMs", 1, MAX_LENGTH_MS],
] as const;

function checkJobOptions(options: JobOptions): string[] {
  const faults: string[] = [];
  checkNames(options, OPTION_NAMES, faults);
  for (const [name, min, max] of WHOLE_NUMBERS) checkWhole(name, options[name], min, max, faults);
  checkJitter(options.jitter, faults);
  checkChoice("backoff", options.backoff, BACKOFFS, faults);
  checkChoice("onDuplicate", options.onDuplicate, ON_DUPLICATES, faults);
  checkDate("runAt", options.runAt, faults);
  if (options.runAt !== undefined && options.delayMs !== undefined) {
    faults.push("options delayMs and runAt exclude each other; give one of the two");
  }
  checkKey(options.idempotencyKey, faults);
  checkHeaders(options.headers, faults);
  return faults;
}

function checkJitter(jitter: unknown, faults: string[]): void {
  if (jitter === undefined || (typeof jitter === "number" && jitter >= 0 && jitter <= 1)) return;
  faults.push(`option jitter is ${show(jitter)}; give a number from 0 to 1`);
}

function checkKey(key: unknown, faults: string[]): void {
  if (key === undefined) return;
  const length = typeof key === "string" ? Buffer.byteLength(key) : 0;
  if (typeof key === "string" && !key.isWellFormed()) {
    faults.push(`option idempotencyKey is ${show(key)}, which has half a character; give whole ones`);
    return;
  }
  if (length >= 1 && length <= WIRE_LIMITS.idempotencyKeyBytes) return;
  const given = typeof key === "string" ? `has ${length} bytes` : `is ${show(key)}`;
  faults.push(`option idempotencyKey ${given}; give a string of 1 to ${WIRE_LIMITS.idempotencyKeyBytes} bytes`);
}

function checkHeaders(headers: unknown, faults: string[]): void {
  if (headers === undefined) return;
  if (typeof headers !== "object" || headers === null) {
    faults.push(`option headers is ${show(headers)}; give an object of strings`);
    return;
  }
  let length = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== "string") faults.push(`option headers.${name} is ${show(value)}; give a string`);
    else length += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (length > WIRE_LIMITS.headersBytes) {
    faults.push(`option headers has ${length} bytes; at most ${WIRE_LIMITS.headersBytes} are allowed`);
  }
}
