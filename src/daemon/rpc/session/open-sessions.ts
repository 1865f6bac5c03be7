import type { ClientSession } from "./client-session.ts";
import type { WorkerSession } from "../../engine/dispatch/worker-session.ts";

/** Streams that are open, so that a stopping daemon can say so to their clients. */
export class OpenSessions {
  readonly #connections = new Set<ClientSession>();
  readonly #onClosed: (session: WorkerSession) => void;

  /** @param onClosed called when a worker's stream is over, with the session that it had */
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

  /** Tells every client to connect again. */
  drain(): void {
    for (const connection of this.#connections) connection.outbox.drain();
  }

  /** Ends every stream after what waits in it. */
  end(): void {
    for (const connection of this.#connections) connection.outbox.end();
  }
}
