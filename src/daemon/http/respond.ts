import { Code } from "@connectrpc/connect";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Refusal } from "./request-guard.ts";

export type HttpRequest = IncomingMessage | Http2ServerRequest;
export type HttpResponse = ServerResponse | Http2ServerResponse;

/** The complete response of a plain HTTP route. */
export interface PlainAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function respond(request: HttpRequest, response: HttpResponse, answer: PlainAnswer): void {
  writeHead(response, answer.status, {
    "content-type": answer.contentType,
    "content-length": String(Buffer.byteLength(answer.body)),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...answer.headers,
  });
  end(response, request.method === "HEAD" ? "" : answer.body);
}

const GRPC_CODES: Readonly<Record<Refusal["code"], Code>> = {
  invalid_argument: Code.InvalidArgument,
  unauthenticated: Code.Unauthenticated,
  permission_denied: Code.PermissionDenied,
};

/**
 * Refuses a request in the protocol of the caller: trailers with status 200 for gRPC, a JSON body for Connect, a status
 * code for others. Does not read the request body, so an HTTP/1 connection is closed afterwards.
 */
export function refuse(request: HttpRequest, response: HttpResponse, refusal: Refusal): void {
  const grpcType = /^application\/grpc(-web)?/.exec(request.headers["content-type"] ?? "")?.[0];
  const close: Record<string, string> = request.httpVersionMajor === 1 ? { connection: "close" } : {};
  if (grpcType === undefined) respond(request, response, refuseByStatus(refusal, close));
  else refuseByTrailers(response, refusal, { ...close, "content-type": grpcType });
}

function refuseByStatus({ status, code, message }: Refusal, headers: Record<string, string>): PlainAnswer {
  return {
    status,
    contentType: "application/json",
    body: `${JSON.stringify({ code, message })}\n`,
    headers: status === 401 ? { ...headers, "www-authenticate": "Bearer" } : headers,
  };
}

/** A "trailers-only" gRPC response: one header block that ends the stream. */
function refuseByTrailers(
  response: HttpResponse,
  { code, message }: Refusal,
  headers: Readonly<Record<string, string>>,
): void {
  const trailers = {
    ...headers,
    "grpc-status": String(GRPC_CODES[code]),
    "grpc-message": encodeURIComponent(message),
  };
  if ("stream" in response) response.stream.respond({ ":status": 200, ...trailers }, { endStream: true });
  else response.writeHead(200, { ...trailers, "content-length": "0" }).end();
}

// The two classes declare the same methods in ways that TypeScript cannot unify.
function writeHead(response: HttpResponse, status: number, headers: Record<string, string>): void {
  if ("stream" in response) response.writeHead(status, headers);
  else response.writeHead(status, headers);
}

function end(response: HttpResponse, body: string): void {
  if ("stream" in response) response.end(body);
  else response.end(body);
}
