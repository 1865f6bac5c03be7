/** How the command line ends: the exit codes, and the errors that carry them. */

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
  { code: EXIT.ok, meaning: "done" },
  { code: EXIT.failed, meaning: "failed: the message on stderr says why" },
  { code: EXIT.usage, meaning: "wrong usage or input; nothing was done" },
  { code: EXIT.notFound, meaning: "no such job or event, or no such file" },
  { code: EXIT.refused, meaning: "refused: the token is missing or wrong" },
  { code: EXIT.unreachable, meaning: "no daemon answers at the address" },
  { code: EXIT.timeout, meaning: "the time given with --wait-timeout or --call-timeout is over" },
  { code: EXIT.jobFailed, meaning: "an awaited job is DEAD or CANCELLED" },
  { code: EXIT.conflict, meaning: "conflict: the job or schedule exists already, or its state does not allow this" },
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

/** Ends the command with a message on stderr and the code's exit code. Nothing else decides an exit code. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: CliErrorCode;
  /** What to do next, on a line of its own. */
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

/** Wrong usage, found before any connection. */
export function usageError(message: string, hint?: string): CliError {
  return new CliError("usage", message, hint === undefined ? {} : { hint });
}
