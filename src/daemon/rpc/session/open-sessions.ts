import type { WorkerSession } from "../../engine/dispatch/worker-session.ts";
import type { ClientSession } from "./client-session.ts";

/** All open sessions, so that a stopping daemon can notify their clients. */
export class OpenSessions {
  readonly #connections = new Set<ClientSession>();
  readonly #onClosed: (session: WorkerSession) => void;

  /** @param onClosed called with the session of a worker when its stream has ended */
  constructor(onClosed: (session: WorkerSession) => void) {
    this.#onClosed = onClosed;
  }

  get size(): number {
    return this.#connections.size;
  }

  add(connection: ClientSession): void {
    this.#connections.add(connection);
  }

  delete(connection: ClientSession): void {
    this.#connections.delete(connection);
    if (connection.session !== null) this.#onClosed(connection.session);
  }

  /** Asks every client to reconnect. */
  drain(): void {
    for (const connection of this.#connections) connection.outbox.drain();
  }

  /** Ends every stream once its queued frames are sent. */
  end(): void {
    for (const connection of this.#connections) connection.outbox.end();
  }
}
