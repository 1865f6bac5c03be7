import { Code, ConnectError } from "@connectrpc/connect";
import { ConnectionError, ReseolioError, type ReseolioErrorCode } from "../errors.ts";

/**
 * A ConnectionError when the daemon was not reached, could not serve or let the transport's own deadline pass;
 * anything else as it came.
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

/** The system's words for a daemon that was not there to take the call. */
const UNREACHED = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

/** Whether a call failed before it was sent, so that it cannot have been carried out. */
export function isUnreached(error: unknown): boolean {
  if (!(error instanceof ConnectionError)) return false;
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) {
    if (UNREACHED.has((cause as NodeJS.ErrnoException).code?.toString() ?? "")) return true;
  }
  return false;
}

/** What the transport calls a connection that broke: a reset one, for example, is Aborted. */
const BROKEN_CODES: ReadonlySet<Code> = new Set([Code.Internal, Code.Unknown, Code.Aborted]);

/** Canceled, but not by the caller's own signal: a connection that was closed before its answer looks like that on Bun. */
function wasClosed(error: ConnectError): boolean {
  return error.code === Code.Canceled && error.rawMessage.startsWith("http/2 stream closed");
}

/** The daemon never said it: the connection broke, or what is there speaks otherwise. */
function broken(error: ConnectError, address: string): string {
  const what = `the connection to ${address} failed: ${error.rawMessage}`;
  if (/certificate/i.test(error.rawMessage)) return `${what}; give the certificate's authority as tls: { ca }`;
  return `${what}; if it fails each time, see whether a daemon listens there and both sides agree on TLS`;
}

function unavailable(error: ConnectError, address: string): string {
  // The network's own faults carry the system error as cause; what a daemon answers does not.
  if (error.cause === undefined) return `the daemon at ${address} cannot serve for now: ${error.rawMessage}`;
  return `no daemon answers at ${address} (${error.rawMessage}); start one with: reseolio serve`;
}

/** The SDK's own error for whatever a call to the daemon threw. */
export function reseolioErrorFrom(error: unknown): ReseolioError {
  if (error instanceof ReseolioError) return error;
  if (error instanceof ConnectError && error.code === Code.Unimplemented) {
    const message = `the daemon does not know this call (${error.rawMessage}); is it older than this SDK?`;
    return new ReseolioError("failed_precondition", message, { cause: error });
  }
  if (error instanceof ConnectError && error.code === Code.Unauthenticated) {
    const message = `${error.rawMessage}; give the daemon's token as the option token or in RESEOLIO_TOKEN`;
    return new ReseolioError("unauthenticated", message, { cause: error });
  }
  if (error instanceof ConnectError) {
    return new ReseolioError(CODES[error.code] ?? "internal", error.rawMessage, { cause: error });
  }
  return new ReseolioError("internal", error instanceof Error ? error.message : String(error), { cause: error });
}

/** The error of a batch's item: a `google.rpc.Status`. */
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
