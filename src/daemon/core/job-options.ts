/** Options of a job: defaults, limits and checks, declared once. */
import type { FieldViolation } from "./errors.ts";
import type { BackoffKind, JobSettings } from "./job.ts";
import { UNDO_HEADER } from "./undo-job.ts";

/** What to do with a call whose function and idempotency key belong to an existing job. */
export type OnDuplicate = "return_existing" | "reject" | "replace_finished";

/** Options as a caller gives them; an absent one takes its default. */
export interface JobOptionsInput {
  readonly maxAttempts?: number;
  readonly backoff?: BackoffKind;
  readonly initialDelayMs?: number;
  readonly maxDelayMs?: number;
  readonly jitter?: number;
  readonly timeoutMs?: number;
  readonly delayMs?: number;
  /** Milliseconds since the epoch. */
  readonly runAt?: number;
  readonly priority?: number;
  readonly startWithinMs?: number;
  readonly finishWithinMs?: number;
  readonly idempotencyKey?: string;
  readonly onDuplicate?: OnDuplicate;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Options with every default filled in. */
export interface JobOptions extends JobSettings {
  /** Durations count from the enqueue; `runAt` is a time. At most one of delayMs and runAt is not null. */
  readonly delayMs: number | null;
  readonly runAt: number | null;
  readonly startWithinMs: number | null;
  readonly finishWithinMs: number | null;
  readonly onDuplicate: OnDuplicate;
}

/** Defaults of absent options; durations in milliseconds. */
export const JOB_OPTION_DEFAULTS = {
  maxAttempts: 3,
  backoff: "exponential",
  initialDelayMs: 1_000,
  maxDelayMs: 60_000,
  jitter: 0.1,
  timeoutMs: 30_000,
  priority: 0,
  onDuplicate: "return_existing",
} as const;

/** A hundred years: longer durations are a mistake, and times stay far from the end of the number range. */
export const MAX_LENGTH_MS = 100 * 365.25 * 24 * 3_600_000;
/** The end of the year 9999, in milliseconds since 1970: the last time that JSON can represent. */
export const LAST_TIME = 253_402_300_799_999;
const MAX_UINT32 = 0xffff_ffff;
const MAX_INT32 = 0x7fff_ffff;

export const LIMITS = {
  /** UTF-8 bytes of a function's name. */
  functionNameBytes: 256,
  idempotencyKeyBytes: 512,
  /** Bytes of args, and of a result. */
  payloadBytes: 1024 * 1024,
  /** Bytes of all header names and values of a job. */
  headersBytes: 16 * 1024,
  /** Bytes kept of an error's message, and of its stack; the rest is cut. */
  errorTextBytes: 16 * 1024,
} as const;

/**
 * Fills in defaults and reports every violation with the field's path under `path`.
 *
 * @param path path of the options in the request, such as `jobs[0].options`
 */
export function resolveJobOptions(
  input: JobOptionsInput,
  path: string,
): { readonly options: JobOptions; readonly violations: readonly FieldViolation[] } {
  const violations: FieldViolation[] = [];
  const check = new OptionCheck(path, violations);
  check.integer("maxAttempts", input.maxAttempts, 1, MAX_INT32);
  check.integer("initialDelayMs", input.initialDelayMs, 0, MAX_UINT32);
  check.integer("maxDelayMs", input.maxDelayMs, 0, MAX_UINT32);
  check.integer("timeoutMs", input.timeoutMs, 0, MAX_UINT32);
  check.integer("delayMs", input.delayMs, 0, MAX_LENGTH_MS);
  check.integer("priority", input.priority, -MAX_INT32, MAX_INT32);
  check.integer("startWithinMs", input.startWithinMs, 1, MAX_LENGTH_MS);
  check.integer("finishWithinMs", input.finishWithinMs, 1, MAX_LENGTH_MS);
  check.range("jitter", input.jitter, 0, 1);
  if (input.runAt !== undefined) violations.push(...checkTime(input.runAt, `${path}.run_at`));
  check.bytes("idempotencyKey", input.idempotencyKey, 1, LIMITS.idempotencyKeyBytes);
  check.headers(input.headers);
  if (input.delayMs !== undefined && input.runAt !== undefined) {
    check.add("delayMs", "cannot be combined with run_at: give one of the two");
  }
  return { options: withDefaults(input), violations };
}

function withDefaults(input: JobOptionsInput): JobOptions {
  const defaults = JOB_OPTION_DEFAULTS;
  return {
    maxAttempts: input.maxAttempts ?? defaults.maxAttempts,
    backoff: input.backoff ?? defaults.backoff,
    initialDelayMs: input.initialDelayMs ?? defaults.initialDelayMs,
    maxDelayMs: input.maxDelayMs ?? defaults.maxDelayMs,
    jitter: input.jitter ?? defaults.jitter,
    timeoutMs: input.timeoutMs ?? defaults.timeoutMs,
    priority: input.priority ?? defaults.priority,
    idempotencyKey: input.idempotencyKey ?? null,
    headers: input.headers ?? NO_HEADERS,
    delayMs: input.delayMs ?? null,
    runAt: input.runAt ?? null,
    startWithinMs: input.startWithinMs ?? null,
    finishWithinMs: input.finishWithinMs ?? null,
    onDuplicate: input.onDuplicate ?? defaults.onDuplicate,
  };
}

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});

/** Violations of a time in milliseconds since 1970; empty when it is valid. */
export function checkTime(time: number, field: string): readonly FieldViolation[] {
  if (time >= 0 && time <= LAST_TIME) return [];
  return [{ field, description: `is ${time} ms since 1970; give a time from 1970 to 9999` }];
}

/** Violations in a function's name; empty when it is valid. */
export function checkFunctionName(name: string, field: string): readonly FieldViolation[] {
  const violations: FieldViolation[] = [];
  if (name.trim() === "") {
    violations.push({
      field,
      description: `is ${name === "" ? "empty" : "blank"}; give a name such as "orders:payment:charge"`,
    });
  } else if (Buffer.byteLength(name) > LIMITS.functionNameBytes) {
    violations.push({
      field,
      description: `has ${Buffer.byteLength(name)} bytes; at most ${LIMITS.functionNameBytes} are allowed`,
    });
  } else if (hasControlCharacter(name)) {
    violations.push({ field, description: `${JSON.stringify(name)} has a control character; use printable ones` });
  }
  return violations;
}

/** Whether the text contains a control character, which must not reach a terminal. */
export function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return true;
  }
  return false;
}

/** Converts a field's name to the protocol's spelling, which every language shares. */
function inSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

class OptionCheck {
  readonly #path: string;
  readonly #violations: FieldViolation[];

  constructor(path: string, violations: FieldViolation[]) {
    this.#path = path;
    this.#violations = violations;
  }

  add(name: string, description: string): void {
    this.#violations.push({ field: `${this.#path}.${inSnakeCase(name)}`, description });
  }

  integer(name: string, value: number | undefined, min: number, max: number): void {
    if (value === undefined || (Number.isInteger(value) && value >= min && value <= max)) return;
    this.add(name, `is ${value}; give a whole number from ${min} to ${max}`);
  }

  range(name: string, value: number | undefined, min: number, max: number): void {
    if (value === undefined || (value >= min && value <= max)) return;
    this.add(name, `is ${value}; give a number from ${min} to ${max}`);
  }

  bytes(name: string, value: string | undefined, min: number, max: number): void {
    if (value === undefined) return;
    const length = Buffer.byteLength(value);
    if (length < min || length > max) this.add(name, `has ${length} bytes; ${min} to ${max} are allowed`);
  }

  headers(headers: Readonly<Record<string, string>> | undefined): void {
    if (headers === undefined) return;
    if (Object.hasOwn(headers, UNDO_HEADER)) {
      this.add(
        "headers",
        `contain ${UNDO_HEADER}, which only the daemon may set, on jobs that undo steps: leave it out`,
      );
    }
    let length = 0;
    for (const [name, value] of Object.entries(headers)) length += Buffer.byteLength(name) + Buffer.byteLength(value);
    if (length > LIMITS.headersBytes) {
      this.add(
        "headers",
        `have ${length} bytes; at most ${LIMITS.headersBytes} are allowed: keep large values in args`,
      );
    }
  }
}
