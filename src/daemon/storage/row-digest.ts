import { createHash } from "node:crypto";
import type { CopyRow, CopyValue } from "./copy-tables.ts";

/**
 * A checksum of many rows that does not depend on their order: the sum of the rows' own hashes (SHA-256, eight sums of
 * 32 bits each). Two stores that hold equal rows have equal digests.
 */
export class RowDigest {
  readonly #sums = new Uint32Array(8);
  #rows = 0;

  add(row: CopyRow): void {
    const hash = createHash("sha256");
    for (const value of row) addValue(hash, value);
    const bytes = hash.digest();
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

type Hash = ReturnType<typeof createHash>;

/** Kind and length come first, so that no two rows read the same. */
function addValue(hash: Hash, value: CopyValue): void {
  if (value === null) hash.update("n;");
  else if (typeof value === "string") hash.update(`s${Buffer.byteLength(value)};${value}`);
  else if (typeof value === "object") hash.update(`x${value.length};`).update(value);
  else hash.update(`${typeof value === "number" ? "d" : "b"}${value};`);
}
