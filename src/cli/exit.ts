/** Exit codes, and the errors that carry them. */

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  refused: 4,
  unreachable: 5,
  timeout: 6,
  jobFailed: 7,
  conflict: 8,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** For `reseolio help exit-codes`, the completeness test and docs/command-line.md. */
export const EXIT_CODES: readonly { readonly code: ExitCode; readonly meaning: string }[] = [
  { code: EXIT.ok, meaning: "success" },
  { code: EXIT.failed, meaning: "failed: see the message on stderr" },
  { code: EXIT.usage, meaning: "invalid usage or input: nothing was changed" },
  { code: EXIT.notFound, meaning: "not found: no such job, schedule, event or file" },
  { code: EXIT.refused, meaning: "access denied: the token is missing or invalid" },
  { code: EXIT.unreachable, meaning: "unreachable: no daemon answers at the address" },
  { code: EXIT.timeout, meaning: "timed out: --wait-timeout or --call-timeout expired" },
  { code: EXIT.jobFailed, meaning: "an awaited job is DEAD or CANCELLED" },
  {
    code: EXIT.conflict,
    meaning: "conflict: the job or schedule already exists, or its state does not allow the operation",
  },
  { code: EXIT.interrupted, meaning: "interrupted by Ctrl-C" },
];

/** Stable words for programs, printed as `error.code` with --json. */
export type CliErrorCode =
  "failed" | "usage" | "not_found" | "refused" | "unreachable" | "timeout" | "job_failed" | "conflict" | "interrupted";

const EXIT_OF: Readonly<Record<CliErrorCode, ExitCode>> = {
  failed: EXIT.failed,
  usage: EXIT.usage,
  not_found: EXIT.notFound,
  refused: EXIT.refused,
  unreachable: EXIT.unreachable,
  timeout: EXIT.timeout,
  job_failed: EXIT.jobFailed,
  conflict: EXIT.conflict,
  interrupted: EXIT.interrupted,
};

/** Ends the command with a message on stderr and the exit code of its code. Nothing else sets an exit code. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: CliErrorCode;
  /** What to do next, printed on a separate line. */
  readonly hint: string | undefined;

  constructor(code: CliErrorCode, message: string, options: { readonly hint?: string; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }

  get exitCode(): ExitCode {
    return EXIT_OF[this.code];
  }
}

/** An error in flags, arguments or input, found before any connection is opened. */
export function usageError(message: string, hint?: string): CliError {
  return new CliError("usage", message, hint === undefined ? {} : { hint });
}
