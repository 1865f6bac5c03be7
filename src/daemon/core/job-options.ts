/** Fills in and checks the options of a job, by the rules in `proto/job-options.ts`. */
import { UNDO_HEADER, WIRE_LIMITS } from "#proto/contract.ts";
import { type Bounds, JOB_OPTIONS } from "#proto/job-options.ts";
import type { FieldViolation } from "./errors.ts";
import type { BackoffKind, JobSettings } from "./job.ts";

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

/**
 * The end of the year 9999 in milliseconds since 1970. Later times cannot be written in JSON, and nobody needs them.
 */
export const LAST_TIME = 253_402_300_799_999;

/**
 * Fills in defaults and reports every violation with the field's path under `path`.
 *
 * @param path path of the options in the request, such as `jobs[0].options`
 */
export function resolveJobOptions(
  input: JobOptionsInput,
  path: string,
): { readonly options: JobOptions; readonly violations: readonly FieldViolation[] } {
  const rules = JOB_OPTIONS;
  const violations: FieldViolation[] = [];
  const check = new OptionCheck(path, violations);
  check.integer("maxAttempts", input.maxAttempts, rules.maxAttempts);
  check.integer("initialDelayMs", input.initialDelayMs, rules.initialDelayMs);
  check.integer("maxDelayMs", input.maxDelayMs, rules.maxDelayMs);
  check.integer("timeoutMs", input.timeoutMs, rules.timeoutMs);
  check.integer("delayMs", input.delayMs, rules.delayMs);
  check.integer("priority", input.priority, rules.priority);
  check.integer("startWithinMs", input.startWithinMs, rules.startWithinMs);
  check.integer("finishWithinMs", input.finishWithinMs, rules.finishWithinMs);
  check.range("jitter", input.jitter, rules.jitter);
  if (input.runAt !== undefined) violations.push(...checkTime(input.runAt, `${path}.run_at`));
  check.bytes("idempotencyKey", input.idempotencyKey, rules.idempotencyKey);
  check.headers(input.headers, rules.headers.max);
  if (input.delayMs !== undefined && input.runAt !== undefined) {
    check.add("delayMs", "cannot be combined with run_at: set only one of them");
  }
  return { options: withDefaults(input), violations };
}

function withDefaults(input: JobOptionsInput): JobOptions {
  const rules = JOB_OPTIONS;
  return {
    maxAttempts: input.maxAttempts ?? rules.maxAttempts.default,
    backoff: input.backoff ?? rules.backoff.default,
    initialDelayMs: input.initialDelayMs ?? rules.initialDelayMs.default,
    maxDelayMs: input.maxDelayMs ?? rules.maxDelayMs.default,
    jitter: input.jitter ?? rules.jitter.default,
    timeoutMs: input.timeoutMs ?? rules.timeoutMs.default,
    priority: input.priority ?? rules.priority.default,
    idempotencyKey: input.idempotencyKey ?? null,
    headers: input.headers ?? NO_HEADERS,
    delayMs: input.delayMs ?? null,
    runAt: input.runAt ?? null,
    startWithinMs: input.startWithinMs ?? null,
    finishWithinMs: input.finishWithinMs ?? null,
    onDuplicate: input.onDuplicate ?? rules.onDuplicate.default,
  };
}

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});

/** Violations of a time in milliseconds since 1970; empty when it is valid. */
export function checkTime(time: number, field: string): readonly FieldViolation[] {
  if (time >= 0 && time <= LAST_TIME) return [];
  return [{ field, description: `is ${time} ms since 1970; use a time from 1970 to 9999` }];
}

/** Violations in a function's name; empty when it is valid. */
export function checkFunctionName(name: string, field: string): readonly FieldViolation[] {
  const violations: FieldViolation[] = [];
  if (name.trim() === "") {
    violations.push({
      field,
      description: `is ${name === "" ? "empty" : "blank"}; use a name such as "orders:payment:charge"`,
    });
  } else if (Buffer.byteLength(name) > WIRE_LIMITS.functionNameBytes) {
    violations.push({
      field,
      description: `is ${Buffer.byteLength(name)} bytes long; at most ${WIRE_LIMITS.functionNameBytes} are allowed`,
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

  integer(name: string, value: number | undefined, bounds: Bounds): void {
    if (value === undefined || (Number.isInteger(value) && value >= bounds.min && value <= bounds.max)) return;
    this.add(name, `is ${value}; use a whole number from ${bounds.min} to ${bounds.max}`);
  }

  range(name: string, value: number | undefined, bounds: Bounds): void {
    if (value === undefined || (value >= bounds.min && value <= bounds.max)) return;
    this.add(name, `is ${value}; use a number from ${bounds.min} to ${bounds.max}`);
  }

  bytes(name: string, value: string | undefined, bounds: Bounds): void {
    if (value === undefined) return;
    const length = Buffer.byteLength(value);
    if (length >= bounds.min && length <= bounds.max) return;
    this.add(name, `is ${length} bytes long; ${bounds.min} to ${bounds.max} are allowed`);
  }

  headers(headers: Readonly<Record<string, string>> | undefined, max: number): void {
    if (headers === undefined) return;
    if (Object.hasOwn(headers, UNDO_HEADER)) {
      this.add(
        "headers",
        `contain ${UNDO_HEADER}, which only the daemon may set, on jobs that undo steps: leave it out`,
      );
    }
    let length = 0;
    for (const [name, value] of Object.entries(headers)) length += Buffer.byteLength(name) + Buffer.byteLength(value);
    if (length > max) {
      this.add("headers", `are ${length} bytes long; at most ${max} are allowed: keep large values in args`);
    }
  }
}
