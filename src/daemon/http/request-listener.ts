import { constants } from "node:http2";
import type { Logger } from "../logger.ts";
import type { ConnectionTable } from "./connection-table.ts";
import type { Connection } from "./connection.ts";
import { answerPlain, type HttpRoutes, plainText } from "./http-route.ts";
import type { RequestGuard } from "./request-guard.ts";
import { type HttpRequest, type HttpResponse, refuse, respond } from "./respond.ts";
import type { RpcHandler } from "./rpc-handler.ts";
import type { ServerLimits } from "./server-limits.ts";

export interface ListenerOptions {
  readonly guard: RequestGuard;
  readonly findRpc: (path: string) => RpcHandler | null;
  readonly httpRoutes: HttpRoutes;
  readonly connections: ConnectionTable;
  readonly limits: ServerLimits;
  readonly logger: Logger;
}

/** Handles every request of both servers: first the guard, then RPCs, then plain routes. */
export function createRequestListener(
  options: ListenerOptions,
): (request: HttpRequest, response: HttpResponse) => void {
  const { guard, findRpc, connections, limits } = options;
  return (request, response) => {
    const path = request.url?.split("?", 1)[0] ?? "";
    const rpc = findRpc(path);
    const connection = connections.findOf(request);
    if (connection !== null) follow(connection, response);
    if (rpc?.isClientStreaming !== true) expectBody(request, response, limits.bodyMs);
    const refusal = guard.check(request);
    if (refusal !== null) {
      refuse(request, response, refusal);
      endUnread(request, response);
    } else if (rpc !== null) {
      rpc.serve(request, response);
    } else {
      void servePlain(options, request, response, path);
    }
  };
}

function follow(connection: Connection, response: HttpResponse): void {
  connection.beginRequest();
  response.once("close", () => connection.endRequest());
}

/** Aborts a request whose body takes longer than this, and over HTTP/1 also its connection. */
function expectBody(request: HttpRequest, response: HttpResponse, withinMs: number): void {
  const deadline = setTimeout(() => abandon(request), withinMs);
  const done = (): void => clearTimeout(deadline);
  request.once("end", done);
  response.once("close", done);
}

function abandon(request: HttpRequest): void {
  if ("stream" in request) request.stream.close(constants.NGHTTP2_CANCEL);
  else request.socket.destroy();
}

/** Does not read the body of a refused request, so that it does not accumulate in memory. */
function endUnread(request: HttpRequest, response: HttpResponse): void {
  // The response is already written and is sent before the stream ends.
  if ("stream" in request) request.stream.close(constants.NGHTTP2_NO_ERROR);
  else response.once("finish", () => request.socket.end());
}

async function servePlain(
  options: ListenerOptions,
  request: HttpRequest,
  response: HttpResponse,
  path: string,
): Promise<void> {
  try {
    respond(request, response, await answerPlain(options.httpRoutes, request, path));
  } catch (error) {
    options.logger.error("request failed", { path, error });
    respond(request, response, plainText(500, "internal error; see the daemon's log"));
  }
  // Plain routes take no body: discards it until the deadline.
  request.resume();
}
