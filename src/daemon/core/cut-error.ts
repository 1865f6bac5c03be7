import { WIRE_LIMITS } from "#proto/contract.ts";

/** An error whose texts are no longer than what is kept. */
export function cutError<E extends { readonly name: string; readonly message: string; readonly stack?: string }>(
  error: E,
): E {
  const stack = error.stack === undefined ? {} : { stack: cutText(error.stack) };
  return { ...error, name: cutText(error.name), message: cutText(error.message), ...stack };
}

/** A text that is no longer than what is kept of an error. */
export function cutText(text: string): string {
  const limit = WIRE_LIMITS.errorTextBytes;
  if (text.length * 3 <= limit || Buffer.byteLength(text) <= limit) return text;
  return `${Buffer.from(text)
    .subarray(0, limit)
    .toString()
    .replace(/\uFFFD+$/, "")}… (cut at ${limit} bytes)`;
}
