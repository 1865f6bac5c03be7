import { constants, type Http2ServerResponse, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { GrpcFrameError, GrpcFrameReader, writeGrpcFrame } from "#proto/wire/grpc-frames.ts";
import { DaemonError } from "../core/errors.ts";
import type { HttpRequest } from "./respond.ts";

/** What a service does with a call that it serves by itself. None of these may throw. */
export interface GrpcStreamEvents {
  readonly onMessage: (bytes: Uint8Array) => void;
  /** The client sends no more, and what it sent was whole. */
  readonly onHalfClose: () => void;
  /** The bytes are no legal messages: the call should end with this. */
  readonly onFault: (error: DaemonError) => void;
  /** The call is over, however it ended. Once. */
  readonly onClose: () => void;
}

/** Serves one call; registered by path. */
export type GrpcStreamHandler = (stream: GrpcStream) => GrpcStreamEvents;

/**
 * Whether a request is one that a GrpcStream can serve: gRPC with protobuf over HTTP/2, not compressed. All others
 * (gRPC-web, Connect, JSON, compressed) are connect's.
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
 * A bidirectional gRPC call on a bare HTTP/2 stream: messages as bytes, without connect's pipeline between, which
 * costs more than the rest of a Session's frame.
 */
export class GrpcStream {
  readonly #response: Http2ServerResponse;
  readonly #stream: ServerHttp2Stream;

  private constructor(response: Http2ServerResponse) {
    this.#response = response;
    this.#stream = response.stream;
  }

  /** Answers the call's headers and hands the call to its handler. */
  static serve(response: Http2ServerResponse, maxMessageBytes: number, handler: GrpcStreamHandler): void {
    response.writeHead(200, {
      "content-type": "application/grpc+proto",
      "grpc-accept-encoding": "identity,gzip,br",
    });
    const stream = new GrpcStream(response);
    const events = handler(stream);
    listen(response.stream, new GrpcFrameReader(maxMessageBytes), events);
  }

  /** Resolves when the client's side has taken what was written before; at once while it keeps up. */
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

  /** Stops and starts taking messages. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** Ends the call, with OK or with the error. A second call is harmless. */
  end(error?: ConnectError): void {
    if (this.#stream.destroyed || this.#stream.writableEnded) return;
    // The stream's own trailers would come after those of the response, which are sent in any case.
    this.#response.addTrailers(Object.fromEntries(setTrailerStatus(new Headers(), error).entries()));
    this.#stream.end();
    // What the client still sends is thrown away; a client that goes on sending is told to stop.
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
  // A reset or a lost connection: "close" follows.
  stream.on("error", () => {});
  stream.once("close", events.onClose);
}

function toFault(error: unknown): DaemonError {
  if (error instanceof GrpcFrameError) {
    return new DaemonError(error.reason === "too_large" ? "resource_exhausted" : "invalid_argument", error.message);
  }
  throw error;
}
