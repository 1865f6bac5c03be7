/**
 * Messages on a gRPC stream: each is preceded by five bytes, a flag (1 means compressed) and its length. Both sides of
 * a Session write and read these themselves, because connect's pipeline costs more than the rest of a frame.
 */
const PREFIX_BYTES = 5;

/** Thrown for bytes that are not a valid stream of messages. */
export class GrpcFrameError extends Error {
  override readonly name = "GrpcFrameError";
  readonly reason: "compressed" | "too_large" | "truncated";

  constructor(reason: GrpcFrameError["reason"], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Returns the message with its prefix, in a new array. */
export function writeGrpcFrame(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(PREFIX_BYTES + message.byteLength);
  const length = message.byteLength;
  // Byte by byte: a DataView would make the runtime move a small array out of its object first.
  frame[1] = length >>> 24;
  frame[2] = length >>> 16;
  frame[3] = length >>> 8;
  frame[4] = length;
  frame.set(message, PREFIX_BYTES);
  return frame;
}

/** Reassembles messages, wherever the transport split their bytes. */
export class GrpcFrameReader {
  readonly #maxBytes: number;
  /** The received part of an incomplete message. */
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** Bytes of the prefix and message that are needed before anything can be read. */
  #needed = PREFIX_BYTES;

  /** @param maxBytes longest message that is accepted */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Calls `onMessage`, which may keep the bytes, for each message that is complete. Throws GrpcFrameError. */
  push(chunk: Uint8Array, onMessage: (message: Uint8Array) => void): void {
    if (this.#pendingBytes + chunk.byteLength < this.#needed) {
      this.#keep(chunk);
      return;
    }
    const bytes = this.#pendingBytes === 0 ? chunk : this.#joined(chunk);
    let offset = 0;
    for (;;) {
      const left = bytes.byteLength - offset;
      this.#needed = left < PREFIX_BYTES ? PREFIX_BYTES : PREFIX_BYTES + this.#lengthAt(bytes, offset);
      if (left < this.#needed) break;
      const end = offset + this.#needed;
      const message = bytes.subarray(offset + PREFIX_BYTES, end);
      offset = end;
      onMessage(message);
    }
    if (offset < bytes.byteLength) this.#keep(bytes.subarray(offset));
  }

  /** Call this at the end of the stream. Throws GrpcFrameError if a message is incomplete. */
  end(): void {
    if (this.#pendingBytes === 0) return;
    throw new GrpcFrameError(
      "truncated",
      `the stream ended ${this.#needed - this.#pendingBytes} bytes before its message`,
    );
  }

  #lengthAt(bytes: Uint8Array, offset: number): number {
    if (bytes[offset] !== 0) {
      throw new GrpcFrameError("compressed", "a message is compressed, although this side does not accept compression");
    }
    const length = uint32At(bytes, offset + 1);
    if (length > this.#maxBytes) {
      throw new GrpcFrameError("too_large", `a message is ${length} bytes long; at most ${this.#maxBytes} are allowed`);
    }
    return length;
  }

  #keep(bytes: Uint8Array): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.byteLength;
  }

  #joined(chunk: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(this.#pendingBytes + chunk.byteLength);
    let offset = 0;
    for (const part of [...this.#pending, chunk]) {
      bytes.set(part, offset);
      offset += part.byteLength;
    }
    this.#pending = [];
    this.#pendingBytes = 0;
    return bytes;
  }
}

function uint32At(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
