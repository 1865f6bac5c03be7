/** Writes the parts of protobuf's wire format that the hot messages of a session use. */
import type { UnknownField } from "@bufbuild/protobuf";
import { MAX_UINT32 } from "../contract.ts";

/** Wire type of numbers, booleans and enums. */
export const VARINT = 0;
/** Wire type of text, bytes, messages and packed lists: a length, then that many bytes. */
export const DELIMITED = 2;

/** The number that precedes a field: its field number and its wire type. */
export function tag(no: number, wireType: typeof VARINT | typeof DELIMITED): number {
  return (no << 3) | wireType;
}

const FIRST_BYTES = 4096;
/** The buffer of a frame that needed more than this is not kept. */
const KEPT_BYTES = 1024 * 1024;

const encoder = new TextEncoder();

/**
 * Writes one field after another into a growing buffer, byte for byte as `@bufbuild/protobuf` does: a field that is
 * zero or empty is left out. The caller writes fields in the order of their numbers.
 */
export class WireWriter {
  #bytes = new Uint8Array(FIRST_BYTES);
  #position = 0;

  /** Discards what was written. */
  clear(): this {
    this.#position = 0;
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = new Uint8Array(FIRST_BYTES);
    return this;
  }

  /** Returns a copy of what was written. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#position);
  }

  /**
   * Writes a uint32 or the number of an enum value.
   *
   * @throws RangeError for any other number, which must not be truncated silently
   */
  number(no: number, value: number): void {
    if (value !== 0) this.#pair(tag(no, VARINT), checked(no, value));
  }

  /** Writes a number even if it is 0. */
  optional(no: number, value: number | undefined): void {
    if (value !== undefined) this.#pair(tag(no, VARINT), checked(no, value));
  }

  flag(no: number, value: boolean): void {
    if (value) this.#pair(tag(no, VARINT), 1);
  }

  text(no: number, value: string): void {
    if (value !== "") this.element(no, value);
  }

  texts(no: number, values: readonly string[]): void {
    for (const value of values) this.element(no, value);
  }

  /** Writes text even if it is empty, such as an element of a list or the key of a map. */
  element(no: number, value: string): void {
    this.#varint(tag(no, DELIMITED));
    if (value.length < 0x80 && this.#shortAscii(value)) return;
    const length = Buffer.byteLength(value);
    this.#varint(length);
    this.#ensure(length);
    encoder.encodeInto(value, this.#bytes.subarray(this.#position));
    this.#position += length;
  }

  bytes(no: number, value: Uint8Array): void {
    if (value.length > 0) this.member(no, value);
  }

  /** Writes bytes even if they are empty: a member of a oneof, or an encoded message. */
  member(no: number, value: Uint8Array): void {
    this.#pair(tag(no, DELIMITED), value.length);
    this.#ensure(value.length);
    this.#bytes.set(value, this.#position);
    this.#position += value.length;
  }

  /** Writes a packed list of enum numbers. */
  packed(no: number, values: readonly number[]): void {
    if (values.length === 0) return;
    const mark = this.begin(no);
    for (const value of values) this.#varint(checked(no, value));
    this.end(mark);
  }

  textMap(no: number, map: Readonly<Record<string, string>>): void {
    for (const key of Object.keys(map)) {
      const mark = this.begin(no);
      this.element(1, key);
      this.element(2, map[key] ?? "");
      this.end(mark);
    }
  }

  /** Begins a nested message. Returns a mark for `end`. */
  begin(no: number): number {
    this.#varint(tag(no, DELIMITED));
    this.#ensure(1);
    return this.#position++;
  }

  /** Inserts the length of what was written since `begin` in front of it. */
  end(mark: number): void {
    const length = this.#position - mark - 1;
    if (length <= 0x7f) {
      this.#bytes[mark] = length;
      return;
    }
    const extra = length <= 0x3fff ? 1 : length <= 0x1f_ffff ? 2 : length <= 0xfff_ffff ? 3 : 4;
    this.#ensure(extra);
    this.#bytes.copyWithin(mark + 1 + extra, mark + 1, this.#position);
    this.#position = mark;
    this.#varint(length);
    this.#position += length;
  }

  /** Writes fields of a later version that a message was decoded with; they follow the known fields. */
  unknown(fields: readonly UnknownField[] | undefined): void {
    if (fields === undefined) return;
    for (const { no, wireType, data } of fields) {
      this.#varint(((no << 3) | wireType) >>> 0);
      this.#ensure(data.length);
      this.#bytes.set(data, this.#position);
      this.#position += data.length;
    }
  }

  /** Writes two integers: a tag with a value or a length. Most have one byte each. */
  #pair(first: number, second: number): void {
    if (first > 0x7f || second > 0x7f) {
      this.#varint(first);
      this.#varint(second);
      return;
    }
    this.#ensure(2);
    this.#bytes[this.#position++] = first;
    this.#bytes[this.#position++] = second;
  }

  /** Writes an integer from 0 to 2^32 - 1: a value, a tag or a length. */
  #varint(value: number): void {
    this.#ensure(5);
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#position++] = rest;
  }

  /** Most texts are IDs and names, for which this loop is faster than the runtime's encoder. */
  #shortAscii(value: string): boolean {
    const { length } = value;
    this.#ensure(1 + length);
    const bytes = this.#bytes;
    const start = this.#position + 1;
    for (let index = 0; index < length; index++) {
      const code = value.charCodeAt(index);
      if (code > 0x7f) return false;
      bytes[start + index] = code;
    }
    bytes[this.#position] = length;
    this.#position = start + length;
    return true;
  }

  #ensure(size: number): void {
    const needed = this.#position + size;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#position));
    this.#bytes = grown;
  }
}

function checked(no: number, value: number): number {
  if (value >>> 0 === value) return value;
  throw new RangeError(`field ${no} is ${value}; it must be a whole number from 0 to ${MAX_UINT32}`);
}
