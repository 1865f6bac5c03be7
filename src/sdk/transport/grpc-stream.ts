import type { ConnectError } from "@connectrpc/connect";
import { validateResponseWithCompression, validateTrailer } from "@connectrpc/connect/protocol-grpc";
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from "node:http2";
import { GrpcFrameReader, writeGrpcFrame } from "#proto/wire/grpc-frames.ts";
import { openingFault, readingFault, streamFault } from "./grpc-faults.ts";

export interface GrpcStreamEvents {
  /** Called in order. May keep the bytes. If it throws, the stream ends as with an unreadable message. */
  readonly onMessage: (bytes: Uint8Array) => void;
  /** Called once, last, with a ConnectError, or null when the peer ended the stream with OK. */
  readonly onEnd: (error: ConnectError | null) => void;
}

export interface GrpcStreamOptions {
  /** Largest accepted message, in bytes. */
  readonly maxMessageBytes: number;
  /** Called when data arrives, which shows that the connection is alive. */
  readonly onHeard: (stream: ClientHttp2Stream) => void;
}

/** Headers of a gRPC request that bypasses connect: protobuf, uncompressed in both directions. */
export const GRPC_HEADERS = {
  "content-type": "application/grpc+proto",
  "grpc-accept-encoding": "identity",
  te: "trailers",
} as const;

/** After an end without a status, waits this long for a reset, which says more. */
const STATUS_GRACE_MS = 100;

/**
 * A bidirectional gRPC call on a bare HTTP/2 stream, with messages as bytes. It bypasses connect's pipeline, which
 * costs more than everything else that happens to a session frame. Reports all errors through `onEnd` and never throws.
 */
export class GrpcStream {
  /** Resolves when the stream has ended, with or without an error. */
  readonly ended: Promise<void>;
  readonly #options: GrpcStreamOptions;
  readonly #events: GrpcStreamEvents;
  readonly #reader: GrpcFrameReader;
  #stream: ClientHttp2Stream | undefined;
  /** Messages sent before the stream was open. */
  #waiting: Uint8Array[] = [];
  #isFinished = false;
  #isEnded = false;
  #isReadToEnd = false;
  #headers = new Headers();
  #trailers: Headers | undefined;
  #onEnded = (): void => {};

  constructor(opening: Promise<ClientHttp2Stream>, options: GrpcStreamOptions, events: GrpcStreamEvents) {
    this.#options = options;
    this.#events = events;
    this.#reader = new GrpcFrameReader(options.maxMessageBytes);
    this.ended = new Promise((resolve) => {
      this.#onEnded = resolve;
    });
    opening.then(
      (stream) => this.#attach(stream),
      (reason: unknown) => this.#end(openingFault(reason)),
    );
  }

  /** Queues a message behind the earlier ones. Does nothing after `finish` or after the end. */
  send(message: Uint8Array): void {
    if (this.#isFinished || this.#isEnded) return;
    if (this.#stream === undefined) this.#waiting.push(message);
    else this.#stream.write(writeGrpcFrame(message));
  }

  /** Half-closes the stream: earlier messages are still sent, later ones are not. */
  finish(): void {
    if (this.#isFinished || this.#isEnded) return;
    this.#isFinished = true;
    this.#stream?.end();
  }

  /** Cancels the stream at once, without calling its events again. */
  abort(): void {
    if (this.#close()) this.#stream?.close(constants.NGHTTP2_CANCEL);
  }

  #attach(stream: ClientHttp2Stream): void {
    // Needed even after the end: an error event without a listener is thrown.
    stream.on("error", (error: Error) => this.#break(stream, error));
    if (this.#isEnded) {
      stream.close(constants.NGHTTP2_CANCEL);
      return;
    }
    this.#stream = stream;
    this.#listen(stream);
    for (const message of this.#waiting) stream.write(writeGrpcFrame(message));
    this.#waiting = [];
    if (this.#isFinished) stream.end();
  }

  #listen(stream: ClientHttp2Stream): void {
    stream.on("response", (headers) => this.#onResponse(headers));
    stream.on("data", (chunk: Uint8Array) => this.#onData(stream, chunk));
    stream.on("trailers", (trailers) => {
      this.#trailers = headersFrom(trailers);
      if (this.#isReadToEnd) this.#endWithStatus(this.#trailers);
    });
    stream.on("end", () => {
      this.#isReadToEnd = true;
      if (this.#trailers !== undefined) this.#endWithStatus(this.#trailers);
      else setTimeout(() => this.#break(stream, undefined), STATUS_GRACE_MS);
    });
    stream.on("close", () => this.#break(stream, undefined));
  }

  #onResponse(headers: IncomingHttpHeaders & IncomingHttpStatusHeader): void {
    this.#headers = headersFrom(headers);
    try {
      const answer = validateResponseWithCompression([], headers[":status"] ?? 0, this.#headers);
      if (answer.foundStatus) this.#end(answer.headerError ?? null);
    } catch (error) {
      this.#end(readingFault(error));
    }
  }

  #onData(stream: ClientHttp2Stream, chunk: Uint8Array): void {
    if (this.#isEnded) return;
    this.#options.onHeard(stream);
    this.#read(() => this.#reader.push(chunk, this.#onMessage));
  }

  readonly #onMessage = (message: Uint8Array): void => {
    // An earlier message of the same chunk may have led to an abort.
    if (!this.#isEnded) this.#events.onMessage(message);
  };

  #endWithStatus(trailers: Headers): void {
    this.#read(() => {
      validateTrailer(trailers, this.#headers);
      this.#reader.end();
    });
    this.#end(null);
  }

  #read(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#end(readingFault(error));
    }
  }

  /** A status that arrived before the break is still the peer's answer. */
  #break(stream: ClientHttp2Stream, error: Error | undefined): void {
    if (this.#trailers !== undefined) this.#endWithStatus(this.#trailers);
    else this.#end(streamFault(stream.rstCode, error));
  }

  #end(error: ConnectError | null): void {
    if (!this.#close()) return;
    const stream = this.#stream;
    if (stream !== undefined && !stream.closed) {
      // After its status the peer sends nothing more; after an error it has to be stopped.
      if (this.#trailers === undefined) stream.close(constants.NGHTTP2_CANCEL);
      else stream.end();
    }
    this.#events.onEnd(error);
  }

  /** False when it was already closed. */
  #close(): boolean {
    if (this.#isEnded) return false;
    this.#isEnded = true;
    this.#waiting = [];
    this.#onEnded();
    return true;
  }
}

function headersFrom(incoming: IncomingHttpHeaders): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming)) {
    if (name.startsWith(":") || value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) headers.append(name, one);
  }
  fixStatusMessage(headers);
  return headers;
}

/** Encodes a message that is not valid percent-encoding, as decoding it would fail and lose the status. */
function fixStatusMessage(headers: Headers): void {
  const text = headers.get("grpc-message");
  if (text === null) return;
  try {
    decodeURIComponent(text);
  } catch {
    headers.set("grpc-message", encodeURIComponent(text));
  }
}
