import { constants, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Logger } from "../logger.ts";
import type { ServerLimits } from "./server-limits.ts";

/** How long an HTTP/2 session may take to close; Bun keeps it open after GOAWAY. */
const FAREWELL_MS = 250;
const RESET_WINDOW_MS = 10_000;

/**
 * One connection and its deadlines. The HTTP servers do not apply timeouts to connections that are passed to them, so all
 * deadlines are enforced here, with one timer for whatever the peer must send next.
 */
export class Connection {
  readonly socket: Socket;
  readonly #limits: ServerLimits;
  readonly #logger: Logger;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #session: ServerHttp2Session | null = null;
  #openRequests = 0;
  #isRetiring = false;
  #resets = 0;
  #resetsSince = 0;

  constructor(socket: Socket, limits: ServerLimits, logger: Logger) {
    this.socket = socket;
    this.#limits = limits;
    this.#logger = logger;
    socket.once("close", () => clearTimeout(this.#deadline));
    // A reset by the peer is not an error of the daemon; "close" follows.
    socket.on("error", () => {});
  }

  /** Starts the deadline for the first byte, or for the end of the TLS handshake. */
  expectFirstByte(): void {
    this.#expect("the first byte", this.#limits.firstByteMs);
  }

  /** Starts the deadline for the headers of the first request, or for the HTTP/2 preface with its settings. */
  expectHeaders(): void {
    this.#expect("the headers", this.#limits.headersMs);
  }

  /** Attaches the HTTP/2 session: the connection is idle once the settings arrive, and resets are counted. */
  adoptSession(session: ServerHttp2Session): void {
    this.#session = session;
    session.on("error", () => this.socket.destroy());
    session.once("remoteSettings", () => this.#restIfIdle());
    session.on("stream", (stream) => {
      stream.once("close", () => {
        if (stream.rstCode !== 0 || stream.aborted) this.#countReset();
      });
    });
  }

  beginRequest(): void {
    this.#openRequests++;
    clearTimeout(this.#deadline);
  }

  endRequest(): void {
    this.#openRequests--;
    this.#restIfIdle();
  }

  /** Closes the connection after the requests in progress, or at once if there are none. */
  retire(): void {
    this.#isRetiring = true;
    // GOAWAY asks the client to open no more streams.
    if (this.#session !== null && !this.#session.closed) this.#session.close();
    this.#restIfIdle();
  }

  destroy(): void {
    this.#session?.destroy();
    this.socket.destroy();
  }

  /** Destroys the connection unless the peer acts within this time. Replaces the previous deadline. */
  #expect(what: string, withinMs: number): void {
    this.#setDeadline(withinMs, () => {
      this.#logger.debug("dropped connection: peer too slow", { ...this.#peer(), what, withinMs });
      this.destroy();
    });
  }

  #setDeadline(ms: number, act: () => void): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(act, ms);
  }

  #restIfIdle(): void {
    if (this.#openRequests > 0 || this.socket.destroyed) return;
    if (this.#isRetiring) this.#leave();
    else if (this.#session === null) this.#expect("the next request", this.#limits.idleMs);
    else this.#setDeadline(this.#limits.http2IdleMs, () => this.retire());
  }

  /** The last response is written but may not have been sent yet. */
  #leave(): void {
    if (this.#session === null) this.socket.end();
    this.#setDeadline(FAREWELL_MS, () => this.destroy());
  }

  #countReset(): void {
    const now = performance.now();
    if (now - this.#resetsSince > RESET_WINDOW_MS) {
      this.#resetsSince = now;
      this.#resets = 0;
    }
    this.#resets++;
    if (this.#resets > this.#limits.resetsPer10s && !this.socket.destroyed) this.#refuseResets();
  }

  #refuseResets(): void {
    this.#logger.warn("dropped connection: too many stream resets", {
      ...this.#peer(),
      limit: this.#limits.resetsPer10s,
      withinMs: RESET_WINDOW_MS,
    });
    this.#session?.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    this.destroy();
  }

  #peer(): { readonly peer: string } {
    return { peer: this.socket.remoteAddress ?? "unknown" };
  }
}
