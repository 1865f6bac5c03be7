import { create, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import { anyPack, durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "#proto/gen/google/rpc/error_details_pb.ts";
import { type Status, StatusSchema } from "#proto/gen/google/rpc/status_pb.ts";
import type { DaemonError, ErrorCode } from "../../core/errors.ts";

/** Domain of the ErrorInfo in every error; its reason is the daemon's error code in capital letters. */
const ERROR_DOMAIN = "reseolio";

/** Retry delay suggested to clients: long enough for a commit or a restart, short enough for people. */
const RETRY_AFTER_MS = 1_000;

/** Maps the daemon's error codes to those of the protocol. */
const CODES: Readonly<Record<ErrorCode, Code>> = {
  invalid_argument: Code.InvalidArgument,
  not_found: Code.NotFound,
  already_exists: Code.AlreadyExists,
  failed_precondition: Code.FailedPrecondition,
  resource_exhausted: Code.ResourceExhausted,
  unavailable: Code.Unavailable,
  // This process is about to end; its successor will answer.
  fatal: Code.Unavailable,
  internal: Code.Internal,
};

/** Adds ErrorInfo, BadRequest for violations, and RetryInfo if the same call may succeed later. */
export function connectErrorFrom(error: DaemonError): ConnectError {
  return new ConnectError(error.message, CODES[error.code], undefined, describe(error), error);
}

/** Converts an error to a Status message, for one item of a batch. */
export function statusFromError(error: DaemonError): Status {
  return create(StatusSchema, {
    code: CODES[error.code],
    message: error.message,
    details: describe(error).map(({ desc, value }) => anyPack(desc, create(desc, value))),
  });
}

interface Detail {
  readonly desc: GenMessage<Message>;
  readonly value: MessageInitShape<GenMessage<Message>>;
}

function describe(error: DaemonError): Detail[] {
  const details: Detail[] = [
    detail(ErrorInfoSchema, {
      reason: error.code.toUpperCase(),
      domain: ERROR_DOMAIN,
      metadata: { ...error.metadata },
    }),
  ];
  if (error.violations.length > 0) {
    const fieldViolations = error.violations.map(({ field, description }) => ({ field, description }));
    details.push(detail(BadRequestSchema, { fieldViolations }));
  }
  if (isTransient(error)) details.push(detail(RetryInfoSchema, { retryDelay: durationFromMs(RETRY_AFTER_MS) }));
  return details;
}

function detail<M extends Message>(desc: GenMessage<M>, value: MessageInitShape<GenMessage<M>>): Detail {
  return { desc, value };
}

/** Whether the error may be transient: a full disk or queue, but not a size limit of a field. */
function isTransient(error: DaemonError): boolean {
  if (error.code === "resource_exhausted") return error.violations.length === 0;
  return error.code === "unavailable" || error.code === "fatal";
}
