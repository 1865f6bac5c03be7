/**
 * Converts errors of a bare gRPC stream to ConnectErrors, so that they are reported like those of other calls. The code
 * is Internal for what the peer did not report itself: a broken connection, or a peer that speaks another protocol.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { constants } from "node:http2";
import { GrpcFrameError } from "#proto/wire/grpc-frames.ts";

/** The stream could not be opened. Keeps the code that the connection reports, if it is meaningful. */
export function openingFault(reason: unknown): ConnectError {
  if (reason instanceof ConnectError && reason.code !== Code.Aborted && reason.code !== Code.Canceled) return reason;
  return broken(reason instanceof ConnectError ? reason.rawMessage : textOf(reason), reason);
}

/** The stream closed without a status. */
export function streamFault(resetCode: number | undefined, error: Error | undefined): ConnectError {
  if (error instanceof ConnectError && error.code === Code.Unavailable) return error;
  const name = resetCode === undefined ? undefined : RESET_NAMES.get(resetCode);
  const code = RESET_CODES.get(resetCode ?? constants.NGHTTP2_NO_ERROR);
  if (code !== undefined) return new ConnectError(`the stream was reset with ${name}`, code);
  if (error !== undefined) return broken(error instanceof ConnectError ? error.rawMessage : error.message, error);
  if (name !== undefined) return broken(`the stream was reset with ${name}`, undefined);
  return broken("the stream ended without a status", undefined);
}

/** The response cannot be read, or it is an error. */
export function readingFault(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof GrpcFrameError) {
    const code = error.reason === "too_large" ? Code.ResourceExhausted : Code.Internal;
    return new ConnectError(error.message, code, undefined, undefined, error);
  }
  return broken(`cannot read a response: ${textOf(error)}`, error);
}

function broken(message: string, cause: unknown): ConnectError {
  return new ConnectError(message, Code.Internal, undefined, undefined, cause);
}

function textOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason);
}

/** Reset codes that carry a meaning, as gRPC maps them. */
const RESET_CODES = new Map<number, Code>([
  [constants.NGHTTP2_REFUSED_STREAM, Code.Unavailable],
  [constants.NGHTTP2_ENHANCE_YOUR_CALM, Code.ResourceExhausted],
  [constants.NGHTTP2_INADEQUATE_SECURITY, Code.PermissionDenied],
  [constants.NGHTTP2_HTTP_1_1_REQUIRED, Code.PermissionDenied],
]);

const RESET_NAMES = new Map<number, string>([
  [constants.NGHTTP2_PROTOCOL_ERROR, "PROTOCOL_ERROR"],
  [constants.NGHTTP2_INTERNAL_ERROR, "INTERNAL_ERROR"],
  [constants.NGHTTP2_FLOW_CONTROL_ERROR, "FLOW_CONTROL_ERROR"],
  [constants.NGHTTP2_STREAM_CLOSED, "STREAM_CLOSED"],
  [constants.NGHTTP2_FRAME_SIZE_ERROR, "FRAME_SIZE_ERROR"],
  [constants.NGHTTP2_REFUSED_STREAM, "REFUSED_STREAM"],
  [constants.NGHTTP2_CANCEL, "CANCEL"],
  [constants.NGHTTP2_COMPRESSION_ERROR, "COMPRESSION_ERROR"],
  [constants.NGHTTP2_ENHANCE_YOUR_CALM, "ENHANCE_YOUR_CALM"],
  [constants.NGHTTP2_INADEQUATE_SECURITY, "INADEQUATE_SECURITY"],
  [constants.NGHTTP2_HTTP_1_1_REQUIRED, "HTTP_1_1_REQUIRED"],
]);
