import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { SessionRequest, SessionResponse, SessionService } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { invalidArgument } from "../core/errors.ts";
import type { Engine } from "../engine/engine.ts";
import type { WorkerSession } from "../engine/dispatch/worker-session.ts";
import type { DaemonInfo } from "./daemon-info.ts";
import { SessionConnection } from "./session-connection.ts";

/** Streams that are open, so that a stopping daemon can say so to their clients. */
export class OpenSessions {
  readonly #connections = new Set<SessionConnection>();
  readonly #onClosed: (session: WorkerSession) => void;

  /** @param onClosed called when a worker's stream is over, with the session that it had */
  constructor(onClosed: (session: WorkerSession) => void) {
    this.#onClosed = onClosed;
  }

  get size(): number {
    return this.#connections.size;
  }

  add(connection: SessionConnection): void {
    this.#connections.add(connection);
  }

  delete(connection: SessionConnection): void {
    this.#connections.delete(connection);
    if (connection.session !== null) this.#onClosed(connection.session);
  }

  /** Tells every client to connect again. */
  drain(): void {
    for (const connection of this.#connections) connection.outbox.drain();
  }

  /** Ends every stream after what waits in it. */
  end(): void {
    for (const connection of this.#connections) connection.outbox.end();
  }
}

/** SessionService: one stream for each client. */
export function createSessionService(
  engine: Engine,
  info: DaemonInfo,
  open: OpenSessions,
): ServiceImpl<typeof SessionService> {
  return { session: (requests, context) => serve(engine, info, open, requests, context) };
}

async function* serve(
  engine: Engine,
  info: DaemonInfo,
  open: OpenSessions,
  requests: AsyncIterable<SessionRequest>,
  context: HandlerContext,
): AsyncGenerator<SessionResponse> {
  const frames = requests[Symbol.asyncIterator]();
  const first = await frames.next();
  if (first.done === true) throw invalidArgument([{ field: "hello", description: "is missing: the stream was empty" }]);
  const connection = new SessionConnection(engine, info, first.value);
  const onAbort = (): void => connection.close();
  context.signal.addEventListener("abort", onAbort);
  open.add(connection);
  let fault: unknown = null;
  const reading = read(connection, first.value, frames).catch((error: unknown) => {
    fault = error;
    connection.outbox.end();
  });
  try {
    yield* connection.outbox.frames();
    if (fault !== null) throw fault;
  } finally {
    context.signal.removeEventListener("abort", onAbort);
    connection.close();
    open.delete(connection);
    void reading;
  }
}

/** Takes frames until the client ends its side, then lets the answers under way go out. */
async function read(
  connection: SessionConnection,
  first: SessionRequest,
  frames: AsyncIterator<SessionRequest>,
): Promise<void> {
  await connection.open(first);
  for (;;) {
    const next = await frames.next();
    if (next.done === true) break;
    connection.receive(next.value);
    if (connection.isBusy) await new Promise<void>((resolve) => (connection.onReady = resolve));
  }
  connection.finish();
}
