import { CliError, type CliErrorCode } from "../exit.ts";

/**
 * The CliError of whatever a call threw, so that each fault has its exit code. Told by name and number instead of by
 * class: the classes would load the whole client for `--help`.
 */
export function cliErrorFrom(error: unknown): CliError {
  if (error instanceof CliError) return error;
  if (!(error instanceof Error)) return new CliError("failed", String(error));
  if (error.name === "ConnectionError") return connectionError(error);
  if (error.name === "ConnectError" && "code" in error && typeof error.code === "number")
    return rpcError(error, error.code);
  if (error.name === "DaemonError" && "code" in error) return daemonError(error, String(error.code));
  if (error.name === "AbortError") return new CliError("interrupted", "interrupted");
  return new CliError("failed", error.message, { cause: error });
}

function connectionError(error: Error): CliError {
  const cause = error.cause;
  const isDeadline = cause instanceof Error && "code" in cause && cause.code === DEADLINE_EXCEEDED;
  if (isDeadline) return new CliError("timeout", error.message, { hint: "--call-timeout waits longer", cause: error });
  const [message = "", start] = error.message.split("; start one with: ");
  const hint =
    start === undefined
      ? "try again; reseolio status shows how the daemon is"
      : `start one with: ${start}, or name another with --addr or RESEOLIO_ADDR`;
  return new CliError("unreachable", message, { hint, cause: error });
}

// Faults of the daemon's own parts, when a command runs them in its process.
const DAEMON_CODES: Readonly<Partial<Record<string, CliErrorCode>>> = {
  invalid_argument: "usage",
  not_found: "not_found",
  already_exists: "conflict",
};

function daemonError(error: Error, code: string): CliError {
  return new CliError(DAEMON_CODES[code] ?? "failed", error.message, { cause: error });
}

const CANCELLED = 1;
const DEADLINE_EXCEEDED = 4;
const UNIMPLEMENTED = 12;

// Numbers of google.rpc.Code.
const CODES: Readonly<Partial<Record<number, CliErrorCode>>> = {
  // Nobody here cancels but on Ctrl-C, which tells its own story: the connection was cut.
  [CANCELLED]: "unreachable",
  3: "usage",
  [DEADLINE_EXCEEDED]: "timeout",
  5: "not_found",
  6: "conflict",
  7: "refused",
  9: "conflict",
  10: "conflict",
  14: "unreachable",
  16: "refused",
};

function rpcError(error: Error, code: number): CliError {
  const message = "rawMessage" in error && typeof error.rawMessage === "string" ? error.rawMessage : error.message;
  const fault = code === DEADLINE_EXCEEDED ? null : networkFault(error, code, message);
  if (fault !== null) return new CliError("unreachable", fault.message, { hint: fault.hint, cause: error });
  if (code === UNIMPLEMENTED) return unknownCall(error, message);
  const cliCode = CODES[code] ?? "failed";
  const hint = HINTS[cliCode];
  return new CliError(cliCode, message, { ...(hint === undefined ? {} : { hint }), cause: error });
}

function unknownCall(error: Error, message: string): CliError {
  const hint = "is it older than this command line? reseolio status shows its version";
  return new CliError("failed", `the daemon does not know this call (${message})`, { hint, cause: error });
}

/** The network's own faults carry the system's error as their cause; what a daemon answers does not. */
function networkFault(error: Error, code: number, message: string): { message: string; hint: string } | null {
  const cause = error.cause instanceof Error ? error.cause : null;
  const systemCode = cause !== null && "code" in cause ? String(cause.code) : "";
  if (/CERT|SELF_SIGNED|VERIFY|ALTNAME/.test(systemCode)) {
    return {
      message: `the daemon's certificate is not trusted (${message})`,
      hint: "give the authority that signed it with --tls-ca or RESEOLIO_TLS_CA, and the name that it is for with --addr",
    };
  }
  if (cause === null && code !== CANCELLED) return null;
  return {
    message: `the connection to the daemon broke (${message})`,
    hint: "try again; if it never works, is a Reseolio daemon there, and does it use TLS (--tls, --tls-ca)?",
  };
}

const HINTS: Readonly<Partial<Record<CliErrorCode, string>>> = {
  unreachable: "try again; reseolio status shows how the daemon is",
  refused: "give the daemon's token with --token-file or RESEOLIO_TOKEN",
  timeout: "--call-timeout waits longer",
};

/** The CliError of a batch's item that failed, a `google.rpc.Status`. */
export function cliErrorFromStatus(status: { readonly code: number; readonly message: string }): CliError {
  return new CliError(CODES[status.code] ?? "failed", status.message);
}

/** Passing: the same call may well succeed a moment later. */
export function isUnavailable(error: unknown): boolean {
  return cliErrorFrom(error).code === "unreachable";
}
