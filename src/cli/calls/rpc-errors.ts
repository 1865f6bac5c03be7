import { CliError, type CliErrorCode } from "../exit.ts";

/**
 * Converts anything that a call threw into a CliError with an exit code. Errors are recognized by name and number, not
 * by class, because importing the classes would load the whole client even for `--help`.
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
  if (isDeadline)
    return new CliError("timeout", error.message, { hint: "use --call-timeout to wait longer", cause: error });
  const [message = "", start] = error.message.split("; start one with: ");
  const hint =
    start === undefined
      ? "try again; reseolio status shows whether the daemon is healthy"
      : `start one with: ${start}, or set --addr or RESEOLIO_ADDR to the address of a running daemon`;
  return new CliError("unreachable", message, { hint, cause: error });
}

// Errors of daemon code that a command runs in its own process.
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
  // Only Ctrl-C cancels here, and is reported elsewhere: any other cancellation is a broken connection.
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
  const hint = "it may be older than this command line; reseolio status shows its version";
  return new CliError("failed", `the daemon does not support this call (${message})`, { hint, cause: error });
}

/** Network errors carry the system error as their cause; errors that the daemon returned do not. */
function networkFault(error: Error, code: number, message: string): { message: string; hint: string } | null {
  const cause = error.cause instanceof Error ? error.cause : null;
  const systemCode = cause !== null && "code" in cause ? String(cause.code) : "";
  if (/CERT|SELF_SIGNED|VERIFY|ALTNAME/.test(systemCode)) {
    return {
      message: `the daemon's certificate is not trusted (${message})`,
      hint: "set --tls-ca or RESEOLIO_TLS_CA to the CA certificate that signed it, and use the host name of the certificate in --addr",
    };
  }
  if (cause === null && code !== CANCELLED) return null;
  return {
    message: `lost the connection to the daemon (${message})`,
    hint: "try again; if this persists, check that a Reseolio daemon listens there and whether it requires TLS (--tls, --tls-ca)",
  };
}

const HINTS: Readonly<Partial<Record<CliErrorCode, string>>> = {
  unreachable: "try again; reseolio status shows whether the daemon is healthy",
  refused: "set --token-file or RESEOLIO_TOKEN to the daemon's token",
  timeout: "use --call-timeout to wait longer",
};

/** Converts the `google.rpc.Status` of a failed item of a batch. */
export function cliErrorFromStatus(status: { readonly code: number; readonly message: string }): CliError {
  return new CliError(CODES[status.code] ?? "failed", status.message);
}

/** Whether the error is transient, so that the same call may succeed a moment later. */
export function isUnavailable(error: unknown): boolean {
  return cliErrorFrom(error).code === "unreachable";
}
