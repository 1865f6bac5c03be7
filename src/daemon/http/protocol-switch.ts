import type { Server as HttpServer } from "node:http";
import type { Http2Server, ServerHttp2Session } from "node:http2";
import { createServer, type Server as NetServer, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import type { Logger } from "../logger.ts";
import type { ConnectionTable } from "./connection-table.ts";
import type { Connection } from "./connection.ts";

/** The two servers that share one port. */
export interface Servers {
  readonly http: HttpServer;
  readonly http2: Http2Server;
}

export interface TlsFiles {
  /** PEM. */
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

const PEER_CHECK_MS = 30_000;
/** The start of every HTTP/2 connection and of no HTTP/1 request. */
const HTTP2_PREFACE = Buffer.from("PRI");

/** Listens without TLS. The first bytes of a connection select its server. */
export function listenForBothProtocols(servers: Servers, connections: ConnectionTable): NetServer {
  return createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: PEER_CHECK_MS }, (socket) => {
    const connection = connections.admit(socket);
    if (connection === null) return;
    connection.expectFirstByte();
    void readFirstBytes(socket).then((isHttp2) => {
      if (socket.destroyed) return;
      passConnection(servers, connections, connection, isHttp2);
      socket.resume();
    });
  });
}

/** Reads until the protocol is known and puts the bytes back. Never settles if the connection ends before that. */
function readFirstBytes(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    let seen: Buffer = Buffer.alloc(0);
    const read = (chunk: Buffer): void => {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      const length = Math.min(seen.length, HTTP2_PREFACE.length);
      const mayBeHttp2 = seen.subarray(0, length).equals(HTTP2_PREFACE.subarray(0, length));
      if (mayBeHttp2 && seen.length < HTTP2_PREFACE.length) return;
      socket.off("data", read);
      socket.pause();
      socket.unshift(seen);
      resolve(mayBeHttp2);
    };
    socket.on("data", read);
  });
}

/** Listens with TLS. The protocol is negotiated in the handshake (ALPN). */
export function listenWithTls(
  servers: Servers,
  connections: ConnectionTable,
  tls: TlsFiles,
  logger: Logger,
): NetServer {
  const server = createTlsServer({
    cert: tls.cert,
    key: tls.key,
    ALPNProtocols: ["h2", "http/1.1"],
    minVersion: "TLSv1.2",
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: PEER_CHECK_MS,
  });
  // In Bun, the socket of the "connection" event is the one that the handshake secures.
  server.on("connection", (socket: Socket) => connections.admit(socket)?.expectFirstByte());
  server.on("secureConnection", (socket: TLSSocket) => {
    const connection = connections.find(socket) ?? connections.admit(socket);
    if (connection !== null) passConnection(servers, connections, connection, socket.alpnProtocol === "h2");
  });
  server.on("tlsClientError", (error: Error, socket: TLSSocket) => {
    logger.debug("TLS handshake failed", { peer: socket.remoteAddress ?? "unknown", error });
    socket.destroy();
  });
  return server;
}

function passConnection(
  servers: Servers,
  connections: ConnectionTable,
  connection: Connection,
  isHttp2: boolean,
): void {
  connection.expectHeaders();
  if (!isHttp2) {
    servers.http.emit("connection", connection.socket);
    return;
  }
  const adopt = (session: ServerHttp2Session): void => connections.adoptSession(session, connection);
  // The session is created inside emit.
  servers.http2.once("session", adopt);
  servers.http2.emit("connection", connection.socket);
  servers.http2.off("session", adopt);
}
