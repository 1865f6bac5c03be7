/** Protobuf's wire format, as far as the hot messages of a session need it: varints, text, bytes and nested messages. */

const FIRST_BYTES = 4096;

/** Writes fields one after the other into one growing buffer. */
export class WireWriter {
  #bytes: Buffer = Buffer.allocUnsafe(FIRST_BYTES);
  #position = 0;

  /** Forgets what was written. */
  clear(): void {
    this.#position = 0;
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#bytes, 0, this.#position);
  }

  /** A whole number from 0 to 2^32 - 1: a value, a tag or a length. */
  varint(value: number): void {
    this.#ensure(5);
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.#bytes[this.#position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#position++] = rest;
  }

  /** Length and UTF-8. */
  text(value: string): void {
    if (value.length < 0x80 && this.#shortAscii(value)) return;
    const length = Buffer.byteLength(value);
    this.varint(length);
    this.#ensure(length);
    this.#position += this.#bytes.write(value, this.#position, "utf8");
  }

  /** Length and bytes. */
  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.#ensure(value.length);
    this.#bytes.set(value, this.#position);
    this.#position += value.length;
  }

  /** Begins a nested message; the mark is for `end`. */
  begin(): number {
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
    const extra = length <= 0x3fff ? 1 : length <= 0x1f_ffff ? 2 : 3;
    this.#ensure(extra);
    this.#bytes.copyWithin(mark + 1 + extra, mark + 1, this.#position);
    this.#position = mark;
    this.varint(length);
    this.#position += length;
  }

  /** Most texts are ids and names; writing them by hand costs less than asking the runtime to. */
  #shortAscii(value: string): boolean {
    const { length } = value;
    this.#ensure(1 + length);
    const start = this.#position + 1;
    for (let index = 0; index < length; index++) {
      const code = value.charCodeAt(index);
      if (code > 0x7f) return false;
      this.#bytes[start + index] = code;
    }
    this.#bytes[this.#position] = length;
    this.#position = start + length;
    return true;
  }

  #ensure(size: number): void {
    const needed = this.#position + size;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#position);
    this.#bytes = grown;
  }
}

/** Reads fields one after the other. Throws RangeError when the bytes end too early. */
export class WireReader {
  #bytes: Buffer = Buffer.alloc(0);
  #position = 0;
  #end = 0;
  /** The last name that was read: most messages of a frame repeat it. */
  #name = "";

  /** Starts to read these bytes. Those of one frame share their memory, which is looked at through one view. */
  open(bytes: Uint8Array): this {
    if (this.#bytes.buffer !== bytes.buffer) this.#bytes = Buffer.from(bytes.buffer);
    this.#position = bytes.byteOffset;
    this.#end = bytes.byteOffset + bytes.byteLength;
    return this;
  }

  /** Lets go of the bytes. */
  close(): void {
    this.#bytes = Buffer.alloc(0);
    this.#position = 0;
    this.#end = 0;
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#end;
  }

  /** A tag, a length or a value that fits 32 bits. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new RangeError("a varint is longer than 32 bits");
  }

  text(): string {
    const { start, end } = this.#span();
    for (let index = start; index < end; index++) {
      if ((this.#bytes[index] ?? 0) > 0x7f) return this.#bytes.toString("utf8", start, end);
    }
    return this.#bytes.toString("latin1", start, end);
  }

  /** As `text`, cheap when it is the same name as before. */
  name(): string {
    const start = this.#position;
    if (this.#isSameName()) return this.#name;
    this.#position = start;
    this.#name = this.text();
    return this.#name;
  }

  #isSameName(): boolean {
    const { start, end } = this.#span();
    if (end - start !== this.#name.length) return false;
    for (let index = start; index < end; index++) {
      const byte = this.#bytes[index] ?? 0;
      if (byte > 0x7f || byte !== this.#name.charCodeAt(index - start)) return false;
    }
    return true;
  }

  /** A view, not a copy. */
  bytes(): Uint8Array {
    const { start, end } = this.#span();
    return new Uint8Array(this.#bytes.buffer, start, end - start);
  }

  /** Goes into a nested message; the outer end is for `leave`. */
  enter(): number {
    const outer = this.#end;
    const length = this.varint();
    if (length > outer - this.#position) throw new RangeError("a field is longer than its message");
    this.#end = this.#position + length;
    return outer;
  }

  leave(outer: number): void {
    this.#position = this.#end;
    this.#end = outer;
  }

  #byte(): number {
    if (this.#position >= this.#end) throw new RangeError("a message ends inside a field");
    return this.#bytes[this.#position++] ?? 0;
  }

  #span(): { readonly start: number; readonly end: number } {
    const length = this.varint();
    const start = this.#position;
    if (length > this.#end - start) throw new RangeError("a field is longer than its message");
    this.#position = start + length;
    return { start, end: this.#position };
  }
}
