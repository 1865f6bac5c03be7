/** Values that are the same in every execution of a job, because they are derived from its ID and a name. */
import { createHash } from "node:crypto";

/** A number in [0, 1) with 53 random bits. */
export function derivedNumber(jobId: string, name: string): number {
  const bytes = digest(jobId, "random", name);
  return (bytes.readUIntBE(0, 6) * 32 + (bytes.readUInt8(6) >> 3)) / 2 ** 53;
}

/** A UUID of version 8, the version for custom algorithms. */
export function derivedUuid(jobId: string, name: string): string {
  const bytes = digest(jobId, "uuid", name);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex", 0, 16);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

function digest(...parts: readonly string[]): Buffer {
  return createHash("sha256").update(JSON.stringify(parts)).digest();
}
