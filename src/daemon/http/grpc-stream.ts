import type { ConnectError } from "@connectrpc/connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { constants, type Http2ServerResponse, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { GrpcFrameError, GrpcFrameReader, writeGrpcFrame } from "#proto/wire/grpc-frames.ts";
import { DaemonError } from "../core/errors.ts";
import type { HttpRequest } from "./respond.ts";

/** Callbacks of a service that serves calls on a bare stream. They must not throw. */
export interface GrpcStreamEvents {
  readonly onMessage: (bytes: Uint8Array) => void;
  /** The client has finished sending, and its last message was complete. */
  readonly onHalfClose: () => void;
  /** The client sent invalid data: the call should end with this error. */
  readonly onFault: (error: DaemonError) => void;
  /** The call has ended, for whatever reason. Called once. */
  readonly onClose: () => void;
}

/** Serves one call; handlers are registered by path. */
export type GrpcStreamHandler = (stream: GrpcStream) => GrpcStreamEvents;

/**
 * Whether a GrpcStream can serve a request: uncompressed gRPC with protobuf over HTTP/2. The connect library serves all
 * others (gRPC-web, Connect, JSON, compression).
 */
export function isPlainGrpc(request: HttpRequest): boolean {
  if (!("stream" in request) || request.method !== "POST") return false;
  const type = request.headers["content-type"];
  const encoding = encodingOf(request.headers);
  return (type === "application/grpc" || type === "application/grpc+proto") && encoding === "identity";
}

function encodingOf(headers: IncomingHttpHeaders): string {
  const encoding = headers["grpc-encoding"];
  return typeof encoding === "string" ? encoding : "identity";
}

/**
 * A bidirectional gRPC call on a bare HTTP/2 stream, with messages as bytes. It avoids the pipeline of the connect
 * library, which costs more than everything else that is done for a session frame.
 */
export class GrpcStream {
  readonly #response: Http2ServerResponse;
  readonly #stream: ServerHttp2Stream;

  private constructor(response: Http2ServerResponse) {
    this.#response = response;
    this.#stream = response.stream;
  }

  /** Sends the response headers and starts the handler. */
  static serve(response: Http2ServerResponse, maxMessageBytes: number, handler: GrpcStreamHandler): void {
    response.writeHead(200, {
      "content-type": "application/grpc+proto",
      "grpc-accept-encoding": "identity,gzip,br",
    });
    const stream = new GrpcStream(response);
    const events = handler(stream);
    listen(response.stream, new GrpcFrameReader(maxMessageBytes), events);
  }

  /** Resolves when the client has received earlier writes; at once while it keeps up. */
  send(message: Uint8Array): Promise<void> | null {
    const stream = this.#stream;
    if (stream.destroyed || stream.writableEnded || stream.write(writeGrpcFrame(message))) return null;
    return new Promise((resolve) => {
      const done = (): void => {
        stream.off("drain", done);
        stream.off("close", done);
        resolve();
      };
      stream.on("drain", done);
      stream.on("close", done);
    });
  }

  /** Pauses and resumes reading messages. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** Ends the call with OK or with the error. Further calls have no effect. */
  end(error?: ConnectError): void {
    if (this.#stream.destroyed || this.#stream.writableEnded) return;
    // The response always sends its trailers; trailers of the stream would follow them.
    this.#response.addTrailers(Object.fromEntries(setTrailerStatus(new Headers(), error).entries()));
    this.#stream.end();
    // Discards what the client still sends, and resets the stream if the client keeps sending.
    this.#stream.resume();
    if (error !== undefined) this.#stream.once("finish", () => this.#stream.close(constants.NGHTTP2_NO_ERROR));
  }
}

function listen(stream: ServerHttp2Stream, reader: GrpcFrameReader, events: GrpcStreamEvents): void {
  let isBroken = false;
  const guarded = (read: () => void): void => {
    if (isBroken) return;
    try {
      read();
    } catch (error) {
      isBroken = true;
      events.onFault(toFault(error));
    }
  };
  stream.on("data", (chunk: Uint8Array) => guarded(() => reader.push(chunk, events.onMessage)));
  stream.on("end", () =>
    guarded(() => {
      reader.end();
      events.onHalfClose();
    }),
  );
  // After a reset or a lost connection, "close" follows.
  stream.on("error", () => {});
  stream.once("close", events.onClose);
}

function toFault(error: unknown): DaemonError {
  if (error instanceof GrpcFrameError) {
    return new DaemonError(error.reason === "too_large" ? "resource_exhausted" : "invalid_argument", error.message);
  }
  throw error;
}
