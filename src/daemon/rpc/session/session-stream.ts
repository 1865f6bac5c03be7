import { decodeSessionRequest, encodeSessionResponse } from "#proto/gen/reseolio/v1/session_daemon_frames.ts";
import type { SessionRequest } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { DaemonError } from "../../core/errors.ts";
import type { Engine } from "../../engine/engine.ts";
import type { GrpcStream, GrpcStreamEvents, GrpcStreamHandler } from "../../http/grpc-stream.ts";
import type { Logger } from "../../logger.ts";
import type { DaemonInfo } from "../daemon-info.ts";
import { translateFault } from "../errors/error-interceptor.ts";
import { ClientSession } from "./client-session.ts";
import type { OpenSessions } from "./open-sessions.ts";

const PATH = "/reseolio.v1.SessionService/Session";

/** The calls that are served on a bare stream, by path: SessionService for gRPC clients over HTTP/2. */
export function createStreams(
  engine: Engine,
  info: DaemonInfo,
  open: OpenSessions,
  logger: Logger,
): ReadonlyMap<string, GrpcStreamHandler> {
  return new Map([[PATH, (stream: GrpcStream) => new SessionStream(engine, info, open, logger, stream)]]);
}

class SessionStream implements GrpcStreamEvents {
  readonly #engine: Engine;
  readonly #info: DaemonInfo;
  readonly #open: OpenSessions;
  readonly #logger: Logger;
  readonly #stream: GrpcStream;
  #connection: ClientSession | null = null;
  /** Frames that arrived while the session was being opened. */
  #early: SessionRequest[] | null = [];
  #isHalfClosed = false;
  #isOver = false;

  constructor(engine: Engine, info: DaemonInfo, open: OpenSessions, logger: Logger, stream: GrpcStream) {
    this.#engine = engine;
    this.#info = info;
    this.#open = open;
    this.#logger = logger;
    this.#stream = stream;
  }

  readonly onMessage = (bytes: Uint8Array): void => {
    if (this.#isOver) return;
    try {
      this.#receive(readRequest(bytes));
    } catch (error) {
      this.onFault(error);
    }
  };

  readonly onHalfClose = (): void => {
    this.#isHalfClosed = true;
    if (this.#connection === null)
      this.onFault(new DaemonError("invalid_argument", "hello is missing: the stream was empty"));
    else if (this.#early === null) this.#connection.finish();
  };

  readonly onFault = (error: unknown): void => {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#connection?.outbox.end();
    this.#stream.end(translateFault(error, PATH, this.#logger));
  };

  readonly onClose = (): void => {
    this.#isOver = true;
    if (this.#connection === null) return;
    this.#connection.close();
    this.#open.delete(this.#connection);
  };

  #receive(frame: SessionRequest): void {
    if (this.#connection === null) this.#begin(frame);
    else if (this.#early !== null) this.#early.push(frame);
    else this.#take(this.#connection, frame);
  }

  #begin(first: SessionRequest): void {
    const connection = new ClientSession(this.#engine, this.#info, first);
    this.#connection = connection;
    this.#open.add(connection);
    void this.#send(connection);
    connection.open(first).then(() => this.#goOn(connection), this.onFault);
  }

  #goOn(connection: ClientSession): void {
    const early = this.#early ?? [];
    this.#early = null;
    // The client may have disconnected while its session was opened: its worker must not stay registered.
    if (this.#isOver) {
      connection.close();
      return;
    }
    try {
      for (const frame of early) this.#take(connection, frame);
      if (this.#isHalfClosed) connection.finish();
    } catch (error) {
      this.onFault(error);
    }
  }

  #take(connection: ClientSession, frame: SessionRequest): void {
    connection.receive(frame);
    if (!connection.isBusy) return;
    this.#stream.pause();
    connection.onReady = () => this.#stream.resume();
  }

  async #send(connection: ClientSession): Promise<void> {
    for await (const frame of connection.outbox.frames()) {
      if (this.#isOver) return;
      const taken = this.#stream.send(encodeSessionResponse(frame));
      if (taken !== null) await taken;
    }
    if (!this.#isOver) this.#stream.end();
  }
}

function readRequest(bytes: Uint8Array): SessionRequest {
  try {
    return decodeSessionRequest(bytes);
  } catch (cause) {
    throw new DaemonError(
      "invalid_argument",
      "a frame is not a valid SessionRequest: generate the client from the .proto files",
      {
        cause,
      },
    );
  }
}
