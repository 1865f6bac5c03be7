import { createRegistry } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "#proto/gen/google/rpc/error_details_pb.ts";
import type { Logger } from "../logger.ts";
import { GrpcStream, type GrpcStreamHandler, isPlainGrpc } from "./grpc-stream.ts";
import type { HttpRequest, HttpResponse } from "./respond.ts";

/** Message types that a google.rpc.Status may contain; JSON looks them up by name. */
const ERROR_DETAILS = createRegistry(BadRequestSchema, ErrorInfoSchema, RetryInfoSchema);

export interface RpcHandler {
  /** Whether the request is a stream of unlimited length. */
  readonly isClientStreaming: boolean;
  serve(request: HttpRequest, response: HttpResponse): void;
}

/**
 * Looks up the handler of a call by its path. Differs from `connectNodeAdapter` in two points: it exposes which calls have
 * an unlimited body, and it does not log clients that disconnect.
 */
export function createRpcHandlers(
  routes: (router: ConnectRouter) => unknown,
  streams: ReadonlyMap<string, GrpcStreamHandler>,
  messageBytes: number,
  logger: Logger,
): (path: string) => RpcHandler | null {
  const router = createConnectRouter({
    readMaxBytes: messageBytes,
    acceptCompression: [compressionGzip, compressionBrotli],
    // Compressed requests are accepted, but responses are never compressed: every gRPC client offers gzip, and
    // compressing each session frame costs far more than sending it over loopback.
    compressMinBytes: 0xffff_ffff,
    // Binary clients may be newer than the daemon, so unknown fields are ignored; in JSON, which people write, they are
    // errors.
    jsonOptions: { ignoreUnknownFields: false, registry: ERROR_DETAILS },
  });
  routes(router);
  const handlers = new Map(
    router.handlers.map((handler) => {
      const path = handler.requestPath;
      const rpc = toRpcHandler(handler, logger);
      const stream = streams.get(path);
      return [path, stream === undefined ? rpc : withStream(rpc, stream, messageBytes)];
    }),
  );
  return (path) => handlers.get(path) ?? null;
}

/** Serves a call on a bare stream if possible, otherwise with the connect library. */
function withStream(rpc: RpcHandler, handler: GrpcStreamHandler, messageBytes: number): RpcHandler {
  return {
    ...rpc,
    serve: (request, response) => {
      if ("stream" in response && isPlainGrpc(request)) GrpcStream.serve(response, messageBytes, handler);
      else rpc.serve(request, response);
    },
  };
}

function toRpcHandler(handler: UniversalHandler, logger: Logger): RpcHandler {
  const kind = handler.method.methodKind;
  return {
    isClientStreaming: kind === "client_streaming" || kind === "bidi_streaming",
    serve: (request, response) => {
      serve(handler, request, response).catch((error: unknown) => {
        if (isClientGone(error, request, response)) return;
        logger.error("call failed", { path: handler.requestPath, error });
        response.destroy();
      });
    },
  };
}

async function serve(handler: UniversalHandler, request: HttpRequest, response: HttpResponse): Promise<void> {
  const answer = await handler(universalRequestFromNodeRequest(request, response, undefined, undefined));
  await universalResponseToNodeResponse(answer, response);
}

function isClientGone(error: unknown, request: HttpRequest, response: HttpResponse): boolean {
  const { code } = ConnectError.from(error);
  return code === Code.Aborted || code === Code.Canceled || request.destroyed || response.destroyed;
}
