import type { Timestamp } from "@bufbuild/protobuf/wkt";

/** The fields of a timestamp message. */
export interface TimestampFields {
  readonly seconds: bigint;
  readonly nanos: number;
}

export function toTimestamp(at: number): TimestampFields {
  const seconds = Math.floor(at / 1_000);
  return { seconds: BigInt(seconds), nanos: Math.round((at - seconds * 1_000) * 1_000_000) };
}

/** Milliseconds since the epoch; null if the field is absent. */
export function fromTimestamp(timestamp: Timestamp | undefined): number | null {
  return timestamp === undefined ? null : Number(timestamp.seconds) * 1_000 + Math.floor(timestamp.nanos / 1_000_000);
}

/** ISO 8601 text in UTC; null if the field is absent. */
export function isoTime(timestamp: Timestamp | undefined): string | null {
  const at = fromTimestamp(timestamp);
  return at === null ? null : new Date(at).toISOString();
}
