import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { SessionRequest, SessionResponse, SessionService } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { invalidArgument } from "../../core/errors.ts";
import type { Engine } from "../../engine/engine.ts";
import type { DaemonInfo } from "../daemon-info.ts";
import { ClientSession } from "./client-session.ts";
import type { OpenSessions } from "./open-sessions.ts";

/** SessionService: one stream per client. */
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
  const connection = new ClientSession(engine, info, first.value);
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

/** Reads frames until the client ends its side; the stream then ends once all replies are sent. */
async function read(
  connection: ClientSession,
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
