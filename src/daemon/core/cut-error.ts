import { WIRE_LIMITS } from "#proto/contract.ts";

/** Cuts the texts of an error to the length that is stored. */
export function cutError<E extends { readonly name: string; readonly message: string; readonly stack?: string }>(
  error: E,
): E {
  const stack = error.stack === undefined ? {} : { stack: cutText(error.stack) };
  return { ...error, name: cutText(error.name), message: cutText(error.message), ...stack };
}

/** Cuts a text to the length that is stored of an error. */
export function cutText(text: string): string {
  const limit = WIRE_LIMITS.errorTextBytes;
  if (text.length * 3 <= limit || Buffer.byteLength(text) <= limit) return text;
  return `${Buffer.from(text)
    .subarray(0, limit)
    .toString()
    .replace(/\uFFFD+$/, "")}… (cut at ${limit} bytes)`;
}
