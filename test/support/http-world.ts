import type { LogFields, Logger } from "../../src/daemon/logger.ts";
import type { DaemonInfo } from "../../src/daemon/rpc/daemon-info.ts";
import { createHttpRoutes } from "../../src/daemon/rpc/http-routes.ts";
import { CommitMetrics, renderMetrics } from "../../src/daemon/rpc/metrics/metrics.ts";
import { createRoutes } from "../../src/daemon/rpc/routes.ts";
import { OpenSessions } from "../../src/daemon/rpc/session/open-sessions.ts";
import { createStreams } from "../../src/daemon/rpc/session/session-stream.ts";
import { type Server, type ServerOptions, startServer } from "../../src/daemon/server.ts";
import { createEngineWorld, type EngineWorld } from "./engine-world.ts";

/** A line that the server or a service logged. */
export interface LoggedLine {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** The real port in front of the real services on an SQLite database in memory. */
export interface HttpWorld extends AsyncDisposable {
  readonly world: EngineWorld;
  readonly server: Server;
  readonly port: number;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly logged: readonly LoggedLine[];
  /** What a stopping daemon does first. */
  drain(): void;
  /** Calls an rpc as `curl` would. */
  post(method: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
}

export const TEST_INFO: DaemonInfo = {
  version: "1.2.3",
  nodeId: "node",
  storageKind: "sqlite",
  storageName: "/tmp/x.db",
  startedAt: 1_700_000_000_123,
  pid: 42,
  hostId: "host",
  lingering: false,
};

export async function startHttpWorld(options: Partial<ServerOptions> = {}): Promise<HttpWorld> {
  const world = await createEngineWorld();
  const draining = new AbortController();
  const { logger, logged } = recordingLogger();
  const sessions = new OpenSessions(() => {});
  const server = await startServer({
    host: "127.0.0.1",
    port: 0,
    streams: createStreams(world.engine, TEST_INFO, sessions, logger),
    routes: createRoutes(world.engine, TEST_INFO, {
      sessions,
      draining: draining.signal,
      logger,
    }),
    httpRoutes: createHttpRoutes(world.engine, draining.signal, () =>
      renderMetrics(world.engine, TEST_INFO, new CommitMetrics()),
    ),
    logger,
    ...options,
  });
  const scheme = options.tls === undefined || options.tls === null ? "http" : "https";
  const url = `${scheme}://127.0.0.1:${server.port}`;
  return {
    world,
    server,
    port: server.port,
    url,
    logged,
    drain: () => draining.abort(),
    post: (method, body, headers = {}) =>
      fetch(`${url}/reseolio.v1.${method}`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body),
      }),
    [Symbol.asyncDispose]: async () => {
      draining.abort();
      await server.close(0);
      await world[Symbol.asyncDispose]();
    },
  };
}

export function recordingLogger(): { readonly logger: Logger; readonly logged: LoggedLine[] } {
  const logged: LoggedLine[] = [];
  const at =
    (level: string) =>
    (message: string, fields: LogFields = {}) => {
      logged.push({ level, message, fields });
    };
  return { logger: { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") }, logged };
}
