/** The closed list of the daemon's error codes; `rpc/error-interceptor.ts` maps them to the protocol's codes. */
export type ErrorCode =
  /** A field is malformed or out of range. */
  | "invalid_argument"
  | "not_found"
  | "already_exists"
  /** The present state does not allow it. */
  | "failed_precondition"
  /** A limit is reached: size, disk, connections. */
  | "resource_exhausted"
  /** Temporary: retry. */
  | "unavailable"
  /** The daemon cannot continue, and stops. */
  | "fatal"
  | "internal";

export interface FieldViolation {
  /** Path of the field in the request, as in `jobs[2].options.jitter`. */
  readonly field: string;
  /** The problem, with the value, and what to use instead. */
  readonly description: string;
}

export class DaemonError extends Error {
  override readonly name = "DaemonError";
  readonly code: ErrorCode;
  readonly violations: readonly FieldViolation[];
  /** Details for programs, such as IDs and limits. */
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

/** One error for all violations of a request, so that a caller can fix them together. */
export function invalidArgument(violations: readonly FieldViolation[]): DaemonError {
  const text = violations.map((one) => `${one.field}: ${one.description}`).join("; ");
  return new DaemonError("invalid_argument", text, { violations });
}

/** The error for a name that no schedule has now. */
export function scheduleNotFound(name: string): DaemonError {
  return new DaemonError(
    "not_found",
    `no schedule is named ${JSON.stringify(name)}: it was deleted or never created; reseolio schedules list shows the existing ones`,
    { metadata: { name } },
  );
}

/** The error for an unknown job; the store cannot distinguish deleted, pruned and never stored. */
export function jobNotFound(jobId: string): DaemonError {
  return new DaemonError(
    "not_found",
    `no job has the id ${jobId}: it was deleted, pruned after its retention, or never stored; reseolio jobs list shows the existing ones`,
    { metadata: { jobId } },
  );
}
