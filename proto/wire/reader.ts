/** Reads the parts of protobuf's wire format that the hot messages of a session use. */
import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { DELIMITED, tag } from "./writer.ts";

/** Thrown for bytes that are not a message of the expected type. */
export class MalformedFrameError extends Error {
  override readonly name = "MalformedFrameError";
}

/** One is enough: a frame is decoded in one go. */
let shared: WireReader | null = null;

/**
 * Decodes a message with `readFields`, or with `@bufbuild/protobuf` if that gives up.
 *
 * @throws MalformedFrameError that contains the number of bytes and the fault
 */
export function readMessage<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
  readFields: (reader: WireReader) => MessageShape<Desc>,
): MessageShape<Desc> {
  shared ??= new WireReader();
  try {
    const message = readFields(shared.open(bytes));
    return shared.hasGivenUp ? fromBinary(schema, bytes) : message;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new MalformedFrameError(`${schema.name} of ${bytes.length} bytes is malformed: ${reason}`, { cause: error });
  } finally {
    shared.close();
  }
}

const CLOSED = Buffer.alloc(0);

const ENTRY_KEY = tag(1, DELIMITED);
const ENTRY_VALUE = tag(2, DELIMITED);

/** A position after any bytes, so that every loop over a message ends. */
const GIVEN_UP = 0x7fff_ffff;

/** As in `@bufbuild/protobuf`: text that is not UTF-8 is an error, and a byte order mark is kept. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads one field after another. A read that would leave the message that was entered last throws a RangeError.
 * A message is read by a loop of `while (!reader.isAtEnd) switch (reader.tag())`, which `giveUp` ends at every depth.
 */
export class WireReader {
  #bytes: Buffer = CLOSED;
  #position = 0;
  #end = 0;
  /** The name that was read last: most messages of a frame repeat it. */
  #name = "";

  open(bytes: Uint8Array): this {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = 0;
    this.#end = bytes.byteLength;
    return this;
  }

  /** Releases the bytes. */
  close(): void {
    this.#bytes = CLOSED;
    this.#position = 0;
    this.#end = 0;
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#end;
  }

  /** Leaves the whole message to `@bufbuild/protobuf`; what was read so far is discarded. */
  giveUp(): void {
    this.#position = GIVEN_UP;
  }

  get hasGivenUp(): boolean {
    return this.#position === GIVEN_UP;
  }

  tag(): number {
    return this.number();
  }

  /** Reads a uint32. */
  number(): number {
    const first = this.#byte();
    return first < 0x80 ? first : this.#longNumber(first);
  }

  /** Reads the number of an enum value, which may be negative. */
  enum(): number {
    return this.number() | 0;
  }

  flag(): boolean {
    return this.number() !== 0;
  }

  text(): string {
    const length = this.#length();
    const start = this.#position;
    const end = start + length;
    this.#position = end;
    for (let index = start; index < end; index++) {
      if ((this.#bytes[index] ?? 0) > 0x7f) return utf8.decode(this.#bytes.subarray(start, end));
    }
    return this.#bytes.toString("latin1", start, end);
  }

  /** Reads text, which is cheap if it is the name that was read before. */
  name(): string {
    const start = this.#position;
    if (this.#isSameName()) return this.#name;
    this.#position = start;
    this.#name = this.text();
    return this.#name;
  }

  #isSameName(): boolean {
    const length = this.#length();
    const start = this.#position;
    if (length !== this.#name.length) return false;
    for (let index = 0; index < length; index++) {
      const byte = this.#bytes[start + index] ?? 0;
      if (byte > 0x7f || byte !== this.#name.charCodeAt(index)) return false;
    }
    this.#position = start + length;
    return true;
  }

  /** Returns a view, not a copy. */
  bytes(): Uint8Array<ArrayBuffer> {
    const length = this.#length();
    const start = this.#position;
    this.#position = start + length;
    // Frames come from sockets and files, whose memory is never shared between threads.
    return new Uint8Array(this.#bytes.buffer as ArrayBuffer, this.#bytes.byteOffset + start, length);
  }

  /** Enters a nested message. Returns the end of the outer one, for `leave`. */
  enter(): number {
    const outer = this.#end;
    const length = this.#length();
    this.#end = this.#position + length;
    return outer;
  }

  leave(outer: number): void {
    this.#end = outer;
  }

  /** Reads a packed list of enum numbers. */
  packed(values: number[]): void {
    const outer = this.enter();
    while (!this.isAtEnd) values.push(this.enum());
    this.leave(outer);
  }

  /** Reads an entry of a `map<string, string>`. */
  textEntry(map: Record<string, string>): void {
    let key = "";
    let value = "";
    const outer = this.enter();
    while (!this.isAtEnd) {
      const field = this.tag();
      if (field === ENTRY_KEY) key = this.text();
      else if (field === ENTRY_VALUE) value = this.text();
      else this.giveUp();
    }
    this.leave(outer);
    // An assignment would set the prototype.
    if (key === "__proto__") this.giveUp();
    else map[key] = value;
  }

  /** Skips these bytes if they come next within the message; returns whether they did. */
  skip(bytes: readonly number[]): boolean {
    const start = this.#position;
    if (this.#end - start < bytes.length) return false;
    for (let index = 0; index < bytes.length; index++) {
      if (this.#bytes[start + index] !== bytes[index]) return false;
    }
    this.#position = start + bytes.length;
    return true;
  }

  /** Reads a length, which is never more than the message has left. */
  #length(): number {
    const length = this.number();
    const left = this.#end - this.#position;
    if (length <= left) return length;
    throw this.#cutOff(length, left);
  }

  #longNumber(first: number): number {
    let value = first & 0x7f;
    for (let shift = 7; shift < 35; shift += 7) {
      const byte = this.#byte();
      if (shift === 28 && byte > 0x0f) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new RangeError(`the number before byte ${this.#position} has more than 32 bits`);
  }

  #byte(): number {
    if (this.#position >= this.#end) throw this.#endedInside();
    return this.#bytes[this.#position++] ?? 0;
  }

  // These are methods of their own because the compiler inlines whatever reads a byte wherever a field is read.

  #endedInside(): RangeError {
    return new RangeError(`a message ends at byte ${this.#end}, inside a field`);
  }

  #cutOff(length: number, left: number): RangeError {
    return new RangeError(
      `the field before byte ${this.#position} needs ${length} bytes, its message has ${left} left`,
    );
  }
}
