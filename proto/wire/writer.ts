/** Writes protobuf's wire format, as far as the hot messages of a session need it. */
import type { UnknownField } from "@bufbuild/protobuf";

/** Wire type of numbers, booleans and enums. */
export const VARINT = 0;
/** Wire type of text, bytes, messages and packed lists: a length, then so many bytes. */
export const DELIMITED = 2;

/** What stands before a field: its number and its wire type. */
export function tag(no: number, wireType: typeof VARINT | typeof DELIMITED): number {
  return (no << 3) | wireType;
}

const FIRST_BYTES = 4096;
/** A frame that needed more than this leaves no memory behind. */
const KEPT_BYTES = 1024 * 1024;
const MAX_UINT32 = 0xffff_ffff;

const encoder = new TextEncoder();

/**
 * Writes the fields of one message after the other into one growing buffer, byte for byte as the generated code does:
 * a field that is zero or empty is left out, and the caller keeps the order of the field numbers.
 */
export class WireWriter {
  #bytes = new Uint8Array(FIRST_BYTES);
  #position = 0;

  /** Forgets what was written. */
  clear(): this {
    this.#position = 0;
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = new Uint8Array(FIRST_BYTES);
    return this;
  }

  /** A copy of what was written, which belongs to the caller. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#position);
  }

  /** A uint32, or an enum's number. Throws RangeError for what is neither, as nothing may be cut off in silence. */
  number(no: number, value: number): void {
    if (value !== 0) this.#pair(tag(no, VARINT), checked(no, value));
  }

  /** A number that is written also when it is 0. */
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

  /** A text that is written also when it is empty, such as an element of a list or the key of a map. */
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

  /** Bytes that are written also when they are empty: a member of a oneof, or an encoded message. */
  member(no: number, value: Uint8Array): void {
    this.#pair(tag(no, DELIMITED), value.length);
    this.#ensure(value.length);
    this.#bytes.set(value, this.#position);
    this.#position += value.length;
  }

  /** A packed list of enum numbers. */
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

  /** Begins a nested message; the mark is for `end`. */
  begin(no: number): number {
    this.#varint(tag(no, DELIMITED));
    this.#ensure(1);
    return this.#position++;
  }

  /** Puts the length of what was written since `begin` before it. */
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

  /** Fields of a later version that a message brought along when it was read; they stand after those known. */
  unknown(fields: readonly UnknownField[] | undefined): void {
    if (fields === undefined) return;
    for (const { no, wireType, data } of fields) {
      this.#varint(((no << 3) | wireType) >>> 0);
      this.#ensure(data.length);
      this.#bytes.set(data, this.#position);
      this.#position += data.length;
    }
  }

  /** Two whole numbers behind each other: a tag with a value or a length. Most of both have one byte. */
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

  /** A whole number from 0 to 2^32 - 1: a value, a tag or a length. */
  #varint(value: number): void {
    this.#ensure(5);
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#position++] = rest;
  }

  /** Most texts are ids and names; writing them by hand costs less than asking the runtime to. */
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
