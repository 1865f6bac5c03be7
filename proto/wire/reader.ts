/** Reads protobuf's wire format, as far as the hot messages of a session need it. */
import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { DELIMITED, tag } from "./writer.ts";

/** Bytes that are no message of the expected kind. */
export class MalformedFrameError extends Error {
  override readonly name = "MalformedFrameError";
}

/** Frames are read in one go, so that one reader is enough. */
let shared: WireReader | null = null;

/**
 * Reads a whole message by hand, or by the generated code when `readFields` gives up.
 *
 * @throws MalformedFrameError, telling how many bytes there are and what is wrong with them
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

/** An absent field of bytes, shared by all messages. */
export const NO_BYTES = new Uint8Array(0);

const CLOSED = Buffer.alloc(0);

const ENTRY_KEY = tag(1, DELIMITED);
const ENTRY_VALUE = tag(2, DELIMITED);

/** After any bytes, so that every loop over a message ends. */
const GIVEN_UP = 0x7fff_ffff;

/** The generated code refuses text that is not UTF-8, and keeps a byte order mark. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads fields one after the other. No read leaves the message that was entered last: RangeError when one would.
 * Reading is a loop of `while (!reader.isAtEnd) switch (reader.tag())`, which `giveUp` ends at every depth.
 */
export class WireReader {
  #bytes: Buffer = CLOSED;
  #position = 0;
  #end = 0;
  /** The last name that was read: most messages of a frame repeat it. */
  #name = "";

  open(bytes: Uint8Array): this {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = 0;
    this.#end = bytes.byteLength;
    return this;
  }

  /** Lets go of the bytes. */
  close(): void {
    this.#bytes = CLOSED;
    this.#position = 0;
    this.#end = 0;
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#end;
  }

  /** For what only the generated code knows how to read. What was read is void. */
  giveUp(): void {
    this.#position = GIVEN_UP;
  }

  get hasGivenUp(): boolean {
    return this.#position === GIVEN_UP;
  }

  tag(): number {
    return this.number();
  }

  /** A number that fits 32 bits without sign. */
  number(): number {
    const first = this.#byte();
    return first < 0x80 ? first : this.#longNumber(first);
  }

  /** An enum's number, with its sign. */
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

  /** As `text`, cheap when it is the same name as before. */
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

  /** A view, not a copy. */
  bytes(): Uint8Array<ArrayBuffer> {
    const length = this.#length();
    const start = this.#position;
    this.#position = start + length;
    // Frames come from sockets and files, whose memory is never shared between threads.
    return new Uint8Array(this.#bytes.buffer as ArrayBuffer, this.#bytes.byteOffset + start, length);
  }

  /** Goes into a nested message; the outer end is for `leave`, once the message is at its end. */
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

  /** Bytes that follow, never more than the message has. */
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

  // Apart from where they are thrown: the compiler copies what reads a byte into each place that reads a field.

  #endedInside(): RangeError {
    return new RangeError(`a message ends at byte ${this.#end}, inside a field`);
  }

  #cutOff(length: number, left: number): RangeError {
    return new RangeError(
      `the field before byte ${this.#position} needs ${length} bytes, its message has ${left} left`,
    );
  }
}
