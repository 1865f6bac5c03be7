/**
 * Arguments and results travel as JSON. Dates arrive as ISO strings, undefined members of objects are left out,
 * undefined arguments and array items arrive as null. What JSON would silently change is rejected: NaN, infinities,
 * functions, symbols, Map, Set, promises and errors where they would become null or {}.
 */
import { WIRE_LIMITS } from "#proto/contract.ts";
import { ReseolioError } from "./errors.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const NULL_BYTES = encoder.encode("null");
const NO_ARGS_BYTES = encoder.encode("[]");

/** @throws ReseolioError `serialization` that names the function and the path of the value, such as `args[0].total` */
export function encodeArgs(functionName: string, args: readonly unknown[]): Uint8Array {
  if (args.length === 0) return NO_ARGS_BYTES;
  return encode(functionName, "args", args);
}

/** @throws ReseolioError `serialization` that names the function and the path of the value, such as `result.total` */
export function encodeResult(functionName: string, result: unknown): Uint8Array {
  if (result === undefined || result === null) return NULL_BYTES;
  return encode(functionName, "result", result);
}

/**
 * A recorded value or a payload; `what` names it in errors, such as `step "charge"`.
 *
 * @throws ReseolioError `serialization` that names the path of the value
 */
export function encodeValue(functionName: string, what: string, value: unknown): Uint8Array {
  if (value === undefined || value === null) return NULL_BYTES;
  return encode(functionName, what, value);
}

/** @throws ReseolioError `serialization` when the bytes are not JSON; empty bytes are null */
export function decodeValue(functionName: string, what: string, bytes: Uint8Array): unknown {
  return bytes.length === 0 ? null : decode(functionName, what, bytes);
}

/** @throws ReseolioError `serialization` when the bytes are not a JSON array */
export function decodeArgs(functionName: string, bytes: Uint8Array): unknown[] {
  if (bytes.length === 0) return [];
  const value = decode(functionName, "args", bytes);
  if (Array.isArray(value)) return value;
  throw failure(functionName, "args", `are JSON but not an array: ${excerpt(bytes)}; enqueue them as an array`);
}

/** @throws ReseolioError `serialization` when the bytes are not JSON */
export function decodeResult(functionName: string, bytes: Uint8Array): unknown {
  return bytes.length === 0 ? null : decode(functionName, "result", bytes);
}

function encode(functionName: string, root: string, value: unknown): Uint8Array {
  const text = stringify(functionName, root, value);
  // JSON loses values only as one of these two, so most calls need no traversal.
  if (text.includes("null") || text.includes("{}")) refuseLosses(functionName, root, value);
  const bytes = encoder.encode(text);
  if (bytes.length > WIRE_LIMITS.payloadBytes) {
    const limit = WIRE_LIMITS.payloadBytes;
    throw failure(
      functionName,
      root,
      `is ${bytes.length} bytes long as JSON; at most ${limit} are allowed: pass a reference to large data`,
    );
  }
  return bytes;
}

function stringify(functionName: string, root: string, value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    refuseLosses(functionName, root, value);
    const reason = error instanceof Error ? error.message : String(error);
    throw failure(functionName, root, `cannot be written as JSON: ${reason}`, error);
  }
  if (text === undefined) throw failure(functionName, root, `is a ${typeof value}, which JSON cannot represent`);
  return text;
}

function refuseLosses(functionName: string, root: string, value: unknown): void {
  const found = findLoss(value, root, root === "args" ? "args" : "", new Set());
  if (found !== null) throw failure(functionName, found.path, found.fault);
}

interface Loss {
  readonly path: string;
  readonly fault: string;
}

/** Finds the first value that JSON cannot represent unchanged. */
function findLoss(given: unknown, path: string, key: string, parents: Set<object>): Loss | null {
  const value = hasToJson(given) ? given.toJSON(key) : given;
  switch (typeof value) {
    case "number":
      return Number.isFinite(value)
        ? null
        : { path, fault: `is ${value}, which JSON cannot represent; use null or a string` };
    case "bigint":
      return { path, fault: `is the BigInt ${value}n, which JSON cannot represent; use a string` };
    case "function":
    case "symbol":
      return { path, fault: `is a ${typeof value}, which JSON cannot represent; leave it out` };
    case "object":
      return value === null ? null : findLossInside(value, path, parents);
    default:
      return null;
  }
}

function findLossInside(value: object, path: string, parents: Set<object>): Loss | null {
  const instead = insteadOf(value);
  if (instead !== null) return { path, fault: `is ${instead.what}, which JSON turns into {}; ${instead.fix}` };
  if (parents.has(value)) return { path, fault: "is a circular reference, which JSON cannot represent" };
  parents.add(value);
  const loss = Array.isArray(value) ? lossInArray(value, path, parents) : lossInObject(value, path, parents);
  parents.delete(value);
  return loss;
}

/** Objects that JSON silently empties. */
function insteadOf(value: object): { readonly what: string; readonly fix: string } | null {
  if (value instanceof Map) return { what: "a Map", fix: "use Array.from(…) or Object.fromEntries(…)" };
  if (value instanceof Set) return { what: "a Set", fix: "use Array.from(…)" };
  if (value instanceof Promise) return { what: "a Promise", fix: "await it" };
  if (value instanceof Error && Object.keys(value).length === 0) {
    return { what: `an Error (${value.message})`, fix: "throw it, or use its message" };
  }
  return null;
}

function lossInArray(items: readonly unknown[], path: string, parents: Set<object>): Loss | null {
  for (let index = 0; index < items.length; index++) {
    const loss = findLoss(items[index], `${path}[${index}]`, String(index), parents);
    if (loss !== null) return loss;
  }
  return null;
}

function lossInObject(value: object, path: string, parents: Set<object>): Loss | null {
  for (const [key, item] of Object.entries(value)) {
    // Members that are functions or symbols are left out by JSON, as methods should be.
    if (typeof item === "function" || typeof item === "symbol") continue;
    const step = /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
    const loss = findLoss(item, path + step, key, parents);
    if (loss !== null) return loss;
  }
  return null;
}

function hasToJson(value: unknown): value is { toJSON(key: string): unknown } {
  return typeof value === "object" && value !== null && "toJSON" in value && typeof value.toJSON === "function";
}

function decode(functionName: string, root: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw failure(functionName, root, `are not JSON: ${excerpt(bytes)}`, error);
  }
}

function excerpt(bytes: Uint8Array): string {
  const text = decoder.decode(bytes.subarray(0, 80));
  return JSON.stringify(bytes.length > 80 ? `${text}…` : text);
}

function failure(functionName: string, path: string, fault: string, cause?: unknown): ReseolioError {
  const message = `${functionName}: ${path} ${fault}`;
  return new ReseolioError("serialization", message, cause === undefined ? undefined : { cause });
}
