import { create } from "@bufbuild/protobuf";
import { WIRE_LIMITS } from "#proto/contract.ts";
import { type Failure, FailureSchema } from "#proto/gen/reseolio/v1/session_service_pb.ts";

/**
 * Describes what a handler threw: name, message, and the stack with the chain of causes, cut to what the daemon stores.
 * Accepts any value and never throws.
 */
export function failureOf(thrown: unknown): Failure {
  const { name, message, stack, isTerminal, retryAfterMs } = describe(thrown);
  return create(FailureSchema, {
    error: { name: cut(name), message: cut(message), stack: cut(stack), reason: "" },
    terminal: isTerminal,
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
  });
}

interface Description {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  readonly isTerminal: boolean;
  readonly retryAfterMs: bigint | null;
}

function describe(thrown: unknown): Description {
  try {
    if (!(thrown instanceof Error)) return plain(`the handler threw ${describeValue(thrown)}, which is not an Error`);
    const { name, message } = thrown;
    return {
      name: text(name),
      message: text(message),
      stack: stackOf(thrown),
      isTerminal: name === "TerminalError" || isTerminalStep(thrown),
      retryAfterMs: retryAfterOf(thrown),
    };
  } catch {
    return plain("the handler threw something that cannot be read");
  }
}

function plain(message: string): Description {
  return { name: "Error", message, stack: "", isTerminal: false, retryAfterMs: null };
}

/** A program may put any value into an error's fields. */
function text(value: unknown): string {
  return typeof value === "string" ? value : describeValue(value);
}

const MAX_CAUSES = 10;

function stackOf(error: Error): string {
  const parts = [text(error.stack ?? "")];
  let cause: unknown = error.cause;
  for (let depth = 0; cause !== undefined && depth < MAX_CAUSES; depth++) {
    parts.push(`caused by: ${cause instanceof Error ? (cause.stack ?? String(cause)) : describeValue(cause)}`);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return parts.join("\n");
}

function describeValue(value: unknown): string {
  if (typeof value === "string") return `the string ${JSON.stringify(value)}`;
  if (typeof value !== "object" || value === null) return String(value);
  return `an object ${JSON.stringify(value)}`;
}

/** A step that failed with a TerminalError fails the job as that error would have. */
function isTerminalStep(thrown: Error): boolean {
  return thrown.name === "StepFailedError" && "isTerminal" in thrown && thrown.isTerminal === true;
}

/** Checks the shape, not the class: a program may contain this package twice. */
function retryAfterOf(thrown: Error): bigint | null {
  if (thrown.name !== "RetryAfterError" || !("retryAfterMs" in thrown)) return null;
  const { retryAfterMs } = thrown;
  return Number.isSafeInteger(retryAfterMs) && Number(retryAfterMs) >= 0 ? BigInt(Number(retryAfterMs)) : null;
}

/** Cuts to the bytes that the daemon stores, at the end of a character. */
function cut(text: string): string {
  const limit = WIRE_LIMITS.errorTextBytes;
  if (text.length * 3 <= limit || Buffer.byteLength(text) <= limit) return text;
  const mark = "… (cut)";
  const room = limit - Buffer.byteLength(mark);
  let end = Math.min(text.length, room);
  while (Buffer.byteLength(text.slice(0, end)) > room) end = Math.floor(end * 0.9);
  const lastIsHalf = /[\uD800-\uDBFF]/.test(text.charAt(end - 1));
  return text.slice(0, lastIsHalf ? end - 1 : end) + mark;
}
