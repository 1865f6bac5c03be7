import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { Code } from "@connectrpc/connect";
import type { Refusal } from "./request-guard.ts";

export type HttpRequest = IncomingMessage | Http2ServerRequest;
export type HttpResponse = ServerResponse | Http2ServerResponse;

/** A whole answer of a plain HTTP route. */
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
 * Says no in every language of the port: Connect reads the body, gRPC the trailers-only headers, others the status.
 * The body of the request is not read, so the connection cannot be used again over HTTP/1.
 */
export function refuse(request: HttpRequest, response: HttpResponse, refusal: Refusal): void {
  respond(request, response, {
    status: refusal.status,
    contentType: isGrpc(request) ? "application/grpc" : "application/json",
    body: isGrpc(request) ? "" : `${JSON.stringify({ code: refusal.code, message: refusal.message })}\n`,
    headers: {
      ...(isGrpc(request) && {
        "grpc-status": String(GRPC_CODES[refusal.code]),
        "grpc-message": encodeURIComponent(refusal.message),
      }),
      ...(refusal.status === 401 && { "www-authenticate": "Bearer" }),
      ...(request.httpVersionMajor === 1 && { connection: "close" }),
    },
  });
}

function isGrpc(request: HttpRequest): boolean {
  return request.headers["content-type"]?.startsWith("application/grpc") === true;
}

// The two classes declare the same calls in ways that TypeScript cannot join.
function writeHead(response: HttpResponse, status: number, headers: Record<string, string>): void {
  if ("stream" in response) response.writeHead(status, headers);
  else response.writeHead(status, headers);
}

function end(response: HttpResponse, body: string): void {
  if ("stream" in response) response.end(body);
  else response.end(body);
}
