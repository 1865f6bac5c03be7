/**
 * Values as PostgreSQL reads them. A batch is sent as one array per column for `unnest`; an array is written here as one
 * literal, since the driver's own writer knows only arrays that it has asked the server about.
 */

export type Param = string | number | boolean | Uint8Array | null;

/** An array of whole numbers or fractions. */
export function numberArray(values: readonly (number | null)[]): string {
  return `{${values.map((value) => (value === null ? "null" : value)).join()}}`;
}

export function booleanArray(values: readonly (boolean | null)[]): string {
  return `{${values.map((value) => (value === null ? "null" : value ? "t" : "f")).join()}}`;
}

/** An array of valid ids, which need no quotes. */
export function uuidArray(values: readonly (string | null)[]): string {
  return `{${values.map((value) => value ?? "null").join()}}`;
}

export function textArray(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? "null" : `"${storedText(value).replace(/["\\]/g, "\\$&")}"`)).join()}}`;
}

export function bytesArray(values: readonly (Uint8Array | null)[]): string {
  return `{${values.map((value) => (value === null ? "null" : `"\\\\x${hex(value)}"`)).join()}}`;
}

/**
 * Text as it is kept: PostgreSQL has no zero character, so it is written as two, the first of which is doubled where it
 * stands for itself. Nearly every text is its own stored form.
 */
export function storedText(text: string): string {
  return /[\0\x10]/.test(text) ? text.replace(/[\0\x10]/g, (one) => (one === "\0" ? "\x100" : "\x10\x10")) : text;
}

/** The text that was stored. */
export function readText(stored: string): string {
  return stored.includes("\x10") ? stored.replace(/\x10(.)/gs, (_, one: string) => (one === "0" ? "\0" : one)) : stored;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}
