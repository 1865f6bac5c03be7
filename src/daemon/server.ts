import type { ConnectRouter } from "@connectrpc/connect";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createServer as createHttp2Server, type Http2Server } from "node:http2";
import type { AddressInfo, Server as NetServer } from "node:net";
import { HTTP2_WINDOW_BYTES } from "#proto/contract.ts";
import { DaemonError } from "./core/errors.ts";
import { AllowedHosts } from "./http/allowed-hosts.ts";
import { BearerToken } from "./http/bearer-token.ts";
import { exposureFault, formatAddress } from "./http/bind-address.ts";
import { ConnectionTable } from "./http/connection-table.ts";
import type { GrpcStreamHandler } from "./http/grpc-stream.ts";
import type { HttpRoutes } from "./http/http-route.ts";
import { listen } from "./http/listen.ts";
import { listenForBothProtocols, listenWithTls, type Servers, type TlsFiles } from "./http/protocol-switch.ts";
import { RequestGuard } from "./http/request-guard.ts";
import { createRequestListener } from "./http/request-listener.ts";
import { createRpcHandlers } from "./http/rpc-handler.ts";
import { DEFAULT_SERVER_LIMITS, type ServerLimits } from "./http/server-limits.ts";
import type { Logger } from "./logger.ts";

export interface ServerOptions {
  /** Name or address to listen on. */
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly tls?: TlsFiles | null;
  readonly token?: string | null;
  /** Listen beyond loopback without token and TLS. */
  readonly insecure?: boolean;
  /** Additional host names that clients may use. */
  readonly hostNames?: readonly string[];
  readonly routes: (router: ConnectRouter) => unknown;
  /**
   * Calls, by path, that bypass the router and are served on the bare stream when a client speaks gRPC over HTTP/2.
   * [none]
   */
  readonly streams?: ReadonlyMap<string, GrpcStreamHandler>;
  readonly httpRoutes: HttpRoutes;
  readonly limits?: Partial<ServerLimits>;
  readonly logger: Logger;
}

/** A running server. */
export interface Server {
  readonly host: string;
  readonly port: number;
  /** `host:port`, as in a URL. */
  readonly address: string;
  openConnections(): number;
  /** Calls the listener each time the last connection has closed. Returns a function that removes it. */
  onIdle(listener: () => void): () => void;
  /**
   * Accepts no more connections, lets calls in progress finish, and cuts off the rest after `graceMs`. Resolves when
   * every connection is closed. A second call can only shorten the time.
   */
  close(graceMs: number): Promise<void>;
}

/**
 * Serves gRPC, gRPC-web and Connect over HTTP/1.1 and HTTP/2, and plain HTTP routes, on one port.
 *
 * @throws DaemonError failed_precondition, with the remedy, when the address is not available or not allowed
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  checkExposure(options);
  const limits = { ...DEFAULT_SERVER_LIMITS, ...options.limits };
  const connections = new ConnectionTable(limits, options.logger);
  const servers = createServers(limits);
  const door = createDoor(options, servers, connections);
  await listen(door, options.host, options.port);
  const { address: host, port } = door.address() as AddressInfo;
  const listener = createRequestListener({
    guard: createGuard(options),
    findRpc: createRpcHandlers(options.routes, options.streams ?? new Map(), limits.messageBytes, options.logger),
    httpRoutes: options.httpRoutes,
    connections,
    limits,
    logger: options.logger,
  });
  servers.http.on("request", listener);
  servers.http2.on("request", listener);
  door.on("error", (error) => options.logger.error("server socket error", { error }));
  return {
    host,
    port,
    address: formatAddress(host, port),
    openConnections: () => connections.size,
    onIdle: (onEmpty) => connections.onEmpty(onEmpty),
    close: (graceMs) => closeDoor(door, connections, graceMs),
  };
}

function checkExposure({ host, token, tls, insecure = false }: ServerOptions): void {
  const hasToken = typeof token === "string" && token !== "";
  const fault = exposureFault({ host, hasToken, hasTls: tls !== undefined && tls !== null, insecure });
  if (fault !== null) throw new DaemonError("failed_precondition", fault);
}

function createServers(limits: ServerLimits): Servers {
  // Timeouts of this server do not apply to connections that it is given; clients are only sent keepAliveTimeout.
  const http: HttpServer = createHttpServer({ keepAliveTimeout: limits.idleMs, requireHostHeader: false });
  http.on("clientError", (_error, socket) => socket.destroy());
  const http2: Http2Server = createHttp2Server({
    settings: {
      maxConcurrentStreams: limits.streamsPerConnection,
      initialWindowSize: HTTP2_WINDOW_BYTES,
      maxHeaderListSize: MAX_HEADER_BYTES,
      enablePush: false,
    },
  });
  // The window of streams is a setting; that of the connection starts at 64 KiB and must be raised here.
  http2.on("session", (session) => session.setLocalWindowSize(HTTP2_WINDOW_BYTES));
  http2.on("sessionError", () => {});
  return { http, http2 };
}

const MAX_HEADER_BYTES = 32 * 1024;

function createDoor({ tls, logger }: ServerOptions, servers: Servers, connections: ConnectionTable): NetServer {
  if (tls === undefined || tls === null) return listenForBothProtocols(servers, connections);
  try {
    return listenWithTls(servers, connections, tls, logger);
  } catch (error) {
    const message = `the TLS certificate and key (--tls-cert, --tls-key) cannot be used: ${error instanceof Error ? error.message : String(error)}`;
    throw new DaemonError("failed_precondition", message, { cause: error });
  }
}

function createGuard({ host, tls, token, hostNames = [] }: ServerOptions): RequestGuard {
  const names = new AllowedHosts({ host, certificate: tls?.cert ?? null, extra: hostNames });
  return new RequestGuard(names, typeof token === "string" && token !== "" ? new BearerToken(token) : null);
}

/** A second call ends together with the first, and may bring the end forward. */
function closeDoor(door: NetServer, connections: ConnectionTable, graceMs: number): Promise<void> {
  door.close();
  for (const connection of connections.all()) connection.retire();
  const cut = setTimeout(() => {
    for (const connection of connections.all()) connection.destroy();
  }, graceMs);
  return connections.whenEmpty().finally(() => clearTimeout(cut));
}
