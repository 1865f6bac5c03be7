import type { ConnectError } from "@connectrpc/connect";
import { validateResponseWithCompression, validateTrailer } from "@connectrpc/connect/protocol-grpc";
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from "node:http2";
import { GrpcFrameReader, writeGrpcFrame } from "#proto/wire/grpc-frames.ts";
import { openingFault, readingFault, streamFault } from "./grpc-faults.ts";

export interface GrpcStreamEvents {
  /** Called in order. May keep the bytes. What it throws ends the stream as a message that cannot be read. */
  readonly onMessage: (bytes: Uint8Array) => void;
  /** Called once, last: a ConnectError, or null when the peer ended the stream with OK. */
  readonly onEnd: (error: ConnectError | null) => void;
}

export interface GrpcStreamOptions {
  /** Longest message that is taken, in bytes. */
  readonly maxMessageBytes: number;
  /** Called when something came: the connection is alive. */
  readonly onHeard: (stream: ClientHttp2Stream) => void;
}

/** Of every gRPC request that is made by hand: protobuf, and nothing compressed either way. */
export const GRPC_HEADERS = {
  "content-type": "application/grpc+proto",
  "grpc-accept-encoding": "identity",
  te: "trailers",
} as const;

/** A reset may stand right behind an end without a status, and says more. */
const STATUS_GRACE_MS = 100;

/**
 * A bidirectional gRPC call on a bare HTTP/2 stream: messages as bytes, without connect's pipeline between, which costs
 * more than the rest of a Session's frame. Every fault comes by `onEnd`, never as a throw.
 */
export class GrpcStream {
  /** Ends with the stream, however it ended. */
  readonly ended: Promise<void>;
  readonly #options: GrpcStreamOptions;
  readonly #events: GrpcStreamEvents;
  readonly #reader: GrpcFrameReader;
  #stream: ClientHttp2Stream | undefined;
  /** Messages from before there was a stream. */
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

  /** Hands a message to the connection, behind those before it. Nothing happens after `finish` or the end. */
  send(message: Uint8Array): void {
    if (this.#isFinished || this.#isEnded) return;
    if (this.#stream === undefined) this.#waiting.push(message);
    else this.#stream.write(writeGrpcFrame(message));
  }

  /** No more messages will be sent; what was sent before still goes out. */
  finish(): void {
    if (this.#isFinished || this.#isEnded) return;
    this.#isFinished = true;
    this.#stream?.end();
  }

  /** Ends the stream at once, without another call to its events. The peer sees it as cancelled. */
  abort(): void {
    if (this.#close()) this.#stream?.close(constants.NGHTTP2_CANCEL);
  }

  #attach(stream: ClientHttp2Stream): void {
    // Also when nobody is interested any more: without a listener it would be thrown.
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
    // A message may have led to an abort while others stand behind it.
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

  /** A status that came before the break stays what the peer had to say. */
  #break(stream: ClientHttp2Stream, error: Error | undefined): void {
    if (this.#trailers !== undefined) this.#endWithStatus(this.#trailers);
    else this.#end(streamFault(stream.rstCode, error));
  }

  #end(error: ConnectError | null): void {
    if (!this.#close()) return;
    const stream = this.#stream;
    if (stream !== undefined && !stream.closed) {
      // Nothing more is expected of the peer after its status; after a fault it must stop.
      if (this.#trailers === undefined) stream.close(constants.NGHTTP2_CANCEL);
      else stream.end();
    }
    this.#events.onEnd(error);
  }

  /** False when it was closed before. */
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

/** A status text must not cost the status: what is not percent-encoded is taken as it is. */
function fixStatusMessage(headers: Headers): void {
  const text = headers.get("grpc-message");
  if (text === null) return;
  try {
    decodeURIComponent(text);
  } catch {
    headers.set("grpc-message", encodeURIComponent(text));
  }
}
