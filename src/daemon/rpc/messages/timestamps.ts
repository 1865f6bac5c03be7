import type { Timestamp } from "@bufbuild/protobuf/wkt";

/** @param ms milliseconds since the epoch */
export function fromMs(ms: number): Timestamp {
  const seconds = Math.floor(ms / 1_000);
  return {
    $typeName: "google.protobuf.Timestamp",
    seconds: BigInt(seconds),
    nanos: Math.round((ms - seconds * 1_000) * 1_000_000),
  };
}

/** Milliseconds since the epoch, rounded down. */
export function toMs(timestamp: Timestamp): number {
  return Number(timestamp.seconds) * 1_000 + Math.floor(timestamp.nanos / 1_000_000);
}
