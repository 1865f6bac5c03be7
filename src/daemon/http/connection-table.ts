import type { Http2Session, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Logger } from "../logger.ts";
import { isLoopback } from "./bind-address.ts";
import { Connection } from "./connection.ts";
import type { HttpRequest } from "./respond.ts";
import type { ServerLimits } from "./server-limits.ts";

/** Minimum time between log lines about refused connections, so that a flood of connections does not flood the log. */
const WARN_EVERY_MS = 10_000;

/** All open connections; enforces their limits. */
export class ConnectionTable {
  readonly #limits: ServerLimits;
  readonly #logger: Logger;
  readonly #connections = new Map<Socket, Connection>();
  readonly #perAddress = new Map<string, number>();
  // The socket of an HTTP/2 request is a proxy object, which cannot be used as a key.
  readonly #bySession = new WeakMap<Http2Session, Connection>();
  readonly #onEmpty = new Set<() => void>();
  #refusedSince = 0;
  #warnedAt = -WARN_EVERY_MS;

  constructor(limits: ServerLimits, logger: Logger) {
    this.#limits = limits;
    this.#logger = logger;
  }

  get size(): number {
    return this.#connections.size;
  }

  find(socket: Socket): Connection | null {
    return this.#connections.get(socket) ?? null;
  }

  /** The connection of a request, while it is open. */
  findOf(request: HttpRequest): Connection | null {
    if (!("stream" in request)) return this.find(request.socket);
    const { session } = request.stream;
    return session === undefined ? null : (this.#bySession.get(session) ?? null);
  }

  adoptSession(session: ServerHttp2Session, connection: Connection): void {
    this.#bySession.set(session, connection);
    connection.adoptSession(session);
  }

  async whenEmpty(): Promise<void> {
    if (this.size === 0) return;
    await new Promise<void>((resolve) => this.onEmpty(resolve));
  }

  all(): readonly Connection[] {
    return [...this.#connections.values()];
  }

  /** Registers a listener that is called whenever the last connection closes. Returns a function that removes it. */
  onEmpty(listener: () => void): () => void {
    this.#onEmpty.add(listener);
    return () => this.#onEmpty.delete(listener);
  }

  /** Returns null if a limit is reached; the socket is then already closed. */
  admit(socket: Socket): Connection | null {
    const address = socket.remoteAddress ?? "unknown";
    const fromAddress = this.#perAddress.get(address) ?? 0;
    if (this.#isFull(address, fromAddress)) {
      this.#refuse(socket, address);
      return null;
    }
    const connection = new Connection(socket, this.#limits, this.#logger);
    this.#connections.set(socket, connection);
    this.#perAddress.set(address, fromAddress + 1);
    socket.once("close", () => this.#forget(socket, address));
    return connection;
  }

  #isFull(address: string, fromAddress: number): boolean {
    if (this.#connections.size >= this.#limits.connections) return true;
    return !isLoopback(address.replace(/^::ffff:/, "")) && fromAddress >= this.#limits.connectionsPerAddress;
  }

  #refuse(socket: Socket, address: string): void {
    socket.on("error", () => {});
    socket.destroy();
    this.#refusedSince++;
    const now = performance.now();
    if (now - this.#warnedAt < WARN_EVERY_MS) return;
    this.#logger.warn("refused connections: limit reached", {
      open: this.#connections.size,
      refused: this.#refusedSince,
      lastPeer: address,
    });
    this.#warnedAt = now;
    this.#refusedSince = 0;
  }

  #forget(socket: Socket, address: string): void {
    this.#connections.delete(socket);
    const left = (this.#perAddress.get(address) ?? 1) - 1;
    if (left === 0) this.#perAddress.delete(address);
    else this.#perAddress.set(address, left);
    if (this.#connections.size === 0) for (const listener of this.#onEmpty) listener();
  }
}
