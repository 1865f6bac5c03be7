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

/** What a google.rpc.Status of ours may carry: JSON has to look them up by name. */
const ERROR_DETAILS = createRegistry(BadRequestSchema, ErrorInfoSchema, RetryInfoSchema);

export interface RpcHandler {
  /** Its request has no end of its own. */
  readonly isClientStreaming: boolean;
  serve(request: HttpRequest, response: HttpResponse): void;
}

/**
 * Looks up the handler of a call by its path. It is what `connectNodeAdapter` does, with two differences: it tells
 * which calls have an endless body, and a client that goes away in the middle is no news for standard error.
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
    // Compressed requests are accepted, answers are never compressed: every gRPC client offers gzip, and packing each
    // frame of a session costs far more than the loopback that it travels on.
    compressMinBytes: 0xffff_ffff,
    // Binary clients may be newer than the daemon; JSON is written by people, whose slips must not pass in silence.
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

/** Takes what it can on a bare stream, and leaves the rest to connect. */
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
        logger.error("a call could not be answered", { path: handler.requestPath, error });
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
