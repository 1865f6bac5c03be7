import { createSecureServer, createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import type { IncomingHttpHeaders, ServerHttp2Session } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { TestCertificate } from "../../support/test-certificate.ts";

/** What a peer does with a call, chosen by the call's path. */
export type PeerScript = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, cut: () => void) => unknown;

/** A server of bare HTTP/2 streams that does whatever a test wants, legal or not. */
export interface GrpcPeer extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly address: string;
  /** Paths that were called. */
  readonly opened: ReadonlySet<string>;
  /** By path: the code with which a call's stream was closed, when it was. */
  readonly closedWith: ReadonlyMap<string, number>;
}

export async function startGrpcPeer(
  scripts: Readonly<Record<string, PeerScript>>,
  tls?: TestCertificate,
): Promise<GrpcPeer> {
  const opened = new Set<string>();
  const closedWith = new Map<string, number>();
  const sockets = new Set<Socket>();
  const server: Http2Server = tls === undefined ? createServer() : createSecureServer({ cert: tls.cert, key: tls.key });
  server.on(tls === undefined ? "connection" : "secureConnection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("session", (session: ServerHttp2Session) => session.on("error", () => {}));
  server.on("sessionError", () => {});
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const path = String(headers[":path"]);
    opened.add(path);
    stream.on("error", () => {});
    stream.on("close", () => closedWith.set(path, stream.rstCode ?? 0));
    const cut = (): void => {
      for (const socket of sockets) socket.destroy();
    };
    scripts[path]?.(stream, headers, cut);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    opened,
    closedWith,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Answers as gRPC, with these trailers once the stream is ended. */
export function respond(stream: ServerHttp2Stream, trailers: Readonly<Record<string, string>> | null): void {
  stream.respond(
    { ":status": 200, "content-type": "application/grpc+proto" },
    trailers === null ? {} : { waitForTrailers: true },
  );
  if (trailers !== null) stream.on("wantTrailers", () => stream.sendTrailers({ ...trailers }));
}
