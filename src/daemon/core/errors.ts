/** Faults of the daemon with a closed list of codes; `rpc/error-interceptor.ts` maps them to the protocol's codes. */
export type ErrorCode =
  /** A field is malformed or out of range. */
  | "invalid_argument"
  | "not_found"
  | "already_exists"
  /** Not in a state in which this can be done. */
  | "failed_precondition"
  /** A limit is reached: size, disk, connections. */
  | "resource_exhausted"
  /** Passing: try again. */
  | "unavailable"
  /** The daemon cannot go on and stops. */
  | "fatal"
  | "internal";

export interface FieldViolation {
  /** Path of the field in the request, as in `jobs[2].options.jitter`. */
  readonly field: string;
  /** What is wrong, with the value, and what is right. */
  readonly description: string;
}

export class DaemonError extends Error {
  override readonly name = "DaemonError";
  readonly code: ErrorCode;
  readonly violations: readonly FieldViolation[];
  /** Facts for programs: ids, limits, what is there already. */
  readonly metadata: Readonly<Record<string, string>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: {
      readonly violations?: readonly FieldViolation[];
      readonly metadata?: Readonly<Record<string, string>>;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.violations = options.violations ?? [];
    this.metadata = options.metadata ?? {};
  }
}

/** One error for all faults of a request, so that a caller mends them in one go. */
export function invalidArgument(violations: readonly FieldViolation[]): DaemonError {
  const text = violations.map((one) => `${one.field}: ${one.description}`).join("; ");
  return new DaemonError("invalid_argument", text, { violations });
}

/** No schedule has this name now. */
export function scheduleNotFound(name: string): DaemonError {
  return new DaemonError(
    "not_found",
    `no schedule is named ${JSON.stringify(name)}: it was deleted or never created; reseolio schedules list shows what is there`,
    { metadata: { name } },
  );
}

/** For an id that is well-formed; the store cannot tell deleted, pruned and never stored apart. */
export function jobNotFound(jobId: string): DaemonError {
  return new DaemonError(
    "not_found",
    `no job has the id ${jobId}: it was deleted, pruned after its retention, or never stored; reseolio jobs list shows what is there`,
    { metadata: { jobId } },
  );
}
