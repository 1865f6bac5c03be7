import { hash } from "node:crypto";
import type { CopyRow, CopyValue } from "./copy-tables.ts";

/**
 * A checksum of many rows that does not depend on their order: the sum of the rows' own hashes (SHA-256, eight sums of
 * 32 bits each). Two stores that hold equal rows have equal digests.
 */
export class RowDigest {
  readonly #sums = new Uint32Array(8);
  #rows = 0;

  add(row: CopyRow): void {
    const bytes = hash("sha256", rowBytes(row), "buffer");
    for (let lane = 0; lane < 8; lane++) this.#sums[lane]! += bytes.readUInt32LE(lane * 4);
    this.#rows++;
  }

  get rows(): number {
    return this.#rows;
  }

  /** 64 hexadecimal digits. */
  text(): string {
    return [...this.#sums].map((sum) => sum.toString(16).padStart(8, "0")).join("");
  }
}

/** The row as JSON, with each byte array replaced by its length, then the byte arrays: different rows differ. */
function rowBytes(row: CopyRow): Uint8Array | string {
  const bytes = row.filter((value): value is Uint8Array => value instanceof Uint8Array);
  const text = JSON.stringify(bytes.length === 0 ? row : row.map(withoutBytes));
  return bytes.length === 0 ? text : Buffer.concat([Buffer.from(text), ...bytes]);
}

function withoutBytes(value: CopyValue): CopyValue | { readonly length: number } {
  return value instanceof Uint8Array ? { length: value.length } : value;
}
