/**
 * Job ids: 36 characters of text outside, 16 bytes in the database. On the path of every row, so only the result is
 * allocated.
 */
import { DaemonError } from "../../core/errors.ts";

const NIBBLES = new Int8Array(128).fill(-1);
for (let value = 0; value < 16; value++) {
  NIBBLES[value.toString(16).charCodeAt(0)] = value;
  NIBBLES[value.toString(16).toUpperCase().charCodeAt(0)] = value;
}
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
/** Where the text form has the first digit of each byte. */
const POSITIONS = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34] as const;
const DASH = 45;

/** Writes the 16 bytes of a UUID's text form into `target`; false when the text is no UUID. */
export function writeJobId(text: string, target: Uint8Array): boolean {
  if (text.length !== 36) return false;
  let faults = (text.charCodeAt(8) ^ DASH) | (text.charCodeAt(13) ^ DASH);
  faults |= (text.charCodeAt(18) ^ DASH) | (text.charCodeAt(23) ^ DASH);
  for (let index = 0; index < 16; index++) {
    const position = POSITIONS[index]!;
    const high = NIBBLES[text.charCodeAt(position)] ?? -1;
    const low = NIBBLES[text.charCodeAt(position + 1)] ?? -1;
    // A character that is not a digit gives -1, which has bits above a nibble's.
    faults |= (high | low) & ~15;
    target[index] = (high << 4) | low;
  }
  return faults === 0;
}

/** The bytes of an id that the engine has checked; throws `invalid_argument` for any other text. */
export function jobIdBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(16);
  if (!writeJobId(text, bytes)) throw malformedJobId(text);
  return bytes;
}

export function malformedJobId(text: string): DaemonError {
  const shown = JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
  return new DaemonError("invalid_argument", `job ID ${shown} is not a UUID; use 32 hexadecimal digits as 8-4-4-4-12`, {
    metadata: { jobId: text.slice(0, 80) },
  });
}

export function jobIdText(bytes: Uint8Array): string {
  const b = bytes;
  return (
    `${HEX[b[0]!]}${HEX[b[1]!]}${HEX[b[2]!]}${HEX[b[3]!]}-${HEX[b[4]!]}${HEX[b[5]!]}-${HEX[b[6]!]}${HEX[b[7]!]}-` +
    `${HEX[b[8]!]}${HEX[b[9]!]}-${HEX[b[10]!]}${HEX[b[11]!]}${HEX[b[12]!]}${HEX[b[13]!]}${HEX[b[14]!]}${HEX[b[15]!]}`
  );
}

/** The time inside a UUIDv7, in milliseconds since the epoch; for other UUIDs some number. */
export function jobIdTime(bytes: Uint8Array): number {
  const high = bytes[0]! * 256 + bytes[1]!;
  const low = ((bytes[2]! << 24) | (bytes[3]! << 16) | (bytes[4]! << 8) | bytes[5]!) >>> 0;
  return high * 2 ** 32 + low;
}

/** Below and above every id; the second is longer than any. */
export const FIRST_ID: Uint8Array = new Uint8Array(16);
export const PAST_LAST_ID: Uint8Array = new Uint8Array(17).fill(0xff);

/** The lowest id with this time or a later one; for times that no id can have, a bound below or above all. */
export function lowestJobIdAt(time: number): Uint8Array {
  if (time <= 0) return FIRST_ID;
  if (time >= 2 ** 48) return PAST_LAST_ID;
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, Math.floor(time / 2 ** 32));
  view.setUint32(2, Math.floor(time) % 2 ** 32);
  return bytes;
}

const ID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function isJobId(text: string): boolean {
  return ID_PATTERN.test(text);
}

/**
 * How far the time inside a job's id may be from the time at which the job was stored. Lists go by id, so this bounds
 * where jobs of a range of times can be. Callers choose ids by their own clocks: the widest distance ever seen is kept,
 * in powers of two, and only an id from a clock that is off by more costs a write.
 */
export const LEAST_SKEW_MS = 60_000;

/** The distance, widened to cover this id. */
export function widenSkew(skewMs: number, idTime: number, storedAt: number): number {
  const distance = Math.abs(idTime - storedAt);
  let widened = skewMs;
  while (distance > widened) widened *= 2;
  return widened;
}
