import { Code, ConnectError } from "@connectrpc/connect";
import { ConnectionError, ReseolioError, type ReseolioErrorCode } from "../errors.ts";

/**
 * Turns an error into a ConnectionError if the daemon was not reached, was unavailable or exceeded the transport's own
 * deadline; returns any other error unchanged.
 *
 * @param deadlineMs the transport's own deadline, null when the caller set one
 */
export function connectionErrorFrom(error: unknown, address: string, deadlineMs: number | null): unknown {
  if (!(error instanceof ConnectError)) return error;
  if (error.code === Code.Unavailable)
    return new ConnectionError(address, unavailable(error, address), { cause: error });
  if (error.code === Code.DeadlineExceeded && deadlineMs !== null) {
    const message = `the daemon at ${address} did not answer within ${deadlineMs} ms; the call may still be carried out`;
    return new ConnectionError(address, message, { cause: error });
  }
  if (!error.isWireError && (BROKEN_CODES.has(error.code) || wasClosed(error))) {
    return new ConnectionError(address, broken(error, address), { cause: error });
  }
  return error;
}

/** System error codes that mean that the call never reached a daemon. */
const UNREACHED = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

/** Whether a call failed before it was sent and so cannot have been carried out. */
export function isUnreached(error: unknown): boolean {
  if (!(error instanceof ConnectionError)) return false;
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) {
    if (UNREACHED.has((cause as NodeJS.ErrnoException).code?.toString() ?? "")) return true;
  }
  return false;
}

/** Codes that the transport uses for a broken connection; a reset one, for example, is Aborted. */
const BROKEN_CODES: ReadonlySet<Code> = new Set([Code.Internal, Code.Unknown, Code.Aborted]);

/** Whether the connection was closed before the answer, which Bun reports as Canceled, like an abort by the caller. */
function wasClosed(error: ConnectError): boolean {
  return error.code === Code.Canceled && error.rawMessage.startsWith("http/2 stream closed");
}

/** The error did not come from a daemon: the connection broke, or the peer speaks another protocol. */
function broken(error: ConnectError, address: string): string {
  const what = `the connection to ${address} failed: ${error.rawMessage}`;
  if (/certificate/i.test(error.rawMessage)) return `${what}; pass the certificate authority as tls: { ca }`;
  return `${what}; if it keeps failing, check that a daemon listens there and that both sides agree on TLS`;
}

function unavailable(error: ConnectError, address: string): string {
  // Network errors carry the system error as their cause; a daemon's answer has none.
  if (error.cause === undefined) return `the daemon at ${address} is unavailable: ${error.rawMessage}`;
  return `no daemon answers at ${address} (${error.rawMessage}); start one with: reseolio serve`;
}

/** Converts whatever a call to the daemon threw into an error of the SDK. */
export function reseolioErrorFrom(error: unknown): ReseolioError {
  if (error instanceof ReseolioError) return error;
  if (error instanceof ConnectError && error.code === Code.Unimplemented) {
    const message = `the daemon does not support this call (${error.rawMessage}); it may be older than this SDK`;
    return new ReseolioError("failed_precondition", message, { cause: error });
  }
  if (error instanceof ConnectError && error.code === Code.Unauthenticated) {
    const message = `${error.rawMessage}; pass the daemon's token as the option token or in RESEOLIO_TOKEN`;
    return new ReseolioError("unauthenticated", message, { cause: error });
  }
  if (error instanceof ConnectError) {
    return new ReseolioError(CODES[error.code] ?? "internal", error.rawMessage, { cause: error });
  }
  return new ReseolioError("internal", error instanceof Error ? error.message : String(error), { cause: error });
}

/** Converts the `google.rpc.Status` of one item of a batch. */
export function reseolioErrorFromStatus(status: { readonly code: number; readonly message: string }): ReseolioError {
  return new ReseolioError(CODES[status.code] ?? "internal", status.message);
}

const CODES: Readonly<Partial<Record<number, ReseolioErrorCode>>> = {
  [Code.InvalidArgument]: "invalid_argument",
  [Code.OutOfRange]: "invalid_argument",
  [Code.NotFound]: "not_found",
  [Code.AlreadyExists]: "already_exists",
  [Code.FailedPrecondition]: "failed_precondition",
  [Code.Aborted]: "failed_precondition",
  [Code.ResourceExhausted]: "resource_exhausted",
  [Code.Unauthenticated]: "unauthenticated",
  [Code.PermissionDenied]: "permission_denied",
  [Code.Unavailable]: "connection",
  [Code.DeadlineExceeded]: "connection",
};
