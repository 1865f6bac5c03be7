/** Rebuilds the error of a step from its record, also the first time, so that every execution receives the same. */
import { NO_BYTES } from "#proto/contract.ts";
import type { JobError } from "#proto/gen/reseolio/v1/job_pb.ts";
import { RetryAfterError, TerminalError } from "../errors.ts";
import { decodeValue } from "../serialization.ts";

/** Classes that are restored; errors of other classes become plain Errors with the same name. */
const CLASSES: ReadonlyMap<string, { readonly prototype: Error }> = new Map(
  Object.entries<{ readonly prototype: Error }>({
    TypeError,
    RangeError,
    SyntaxError,
    ReferenceError,
    URIError,
    EvalError,
    TerminalError,
    RetryAfterError,
  }),
);

const DOM_NAMES: ReadonlySet<string> = new Set(["AbortError", "TimeoutError"]);
/** Larger members of an error are not recorded. */
const MAX_MEMBERS_BYTES = 8 * 1024;

/** JSON of an error's own members other than name, message and stack, such as a code or a status. */
export function membersOf(thrown: unknown): Uint8Array<ArrayBuffer> {
  if (!(thrown instanceof Error)) return NO_BYTES;
  try {
    const members = Object.entries(thrown).filter(([name]) => !KEPT.has(name));
    if (members.length === 0) return NO_BYTES;
    const bytes = new TextEncoder().encode(JSON.stringify(Object.fromEntries(members)));
    return bytes.byteLength <= MAX_MEMBERS_BYTES ? bytes : NO_BYTES;
  } catch {
    return NO_BYTES;
  }
}

const KEPT: ReadonlySet<string> = new Set(["name", "message", "stack", "cause", "errors"]);

/** @param members as returned by `membersOf` */
export function errorOf({ name, message, stack }: JobError, members: Uint8Array): Error {
  const error: Error = DOM_NAMES.has(name) ? new DOMException(message, name) : plainError(name, message);
  if (stack !== "") Object.defineProperty(error, "stack", { value: stack, configurable: true, writable: true });
  if (members.byteLength > 0) Object.assign(error, decodeValue("step", "error", members));
  return error;
}

function plainError(name: string, message: string): Error {
  const error = new Error(message);
  const known = CLASSES.get(name);
  if (known !== undefined) Object.setPrototypeOf(error, known.prototype);
  if (error.name !== name) Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
  return error;
}
