import { constants, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Logger } from "../logger.ts";
import type { ServerLimits } from "./server-limits.ts";

/** How long an HTTP/2 session may take to say goodbye; Bun keeps it open after GOAWAY. */
const FAREWELL_MS = 250;
const RESET_WINDOW_MS = 10_000;

/**
 * One connection with its deadlines. The HTTP servers get their connections by hand and apply no timeouts to those, so
 * they are all kept here: one timer, always for the thing that is waited for now.
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
    // A peer that resets is no fault of ours; "close" follows.
    socket.on("error", () => {});
  }

  /** Or the end of the TLS handshake. */
  expectFirstByte(): void {
    this.#expect("the first byte", this.#limits.firstByteMs);
  }

  /** Of the first request, or the HTTP/2 preface with its settings. */
  expectHeaders(): void {
    this.#expect("the headers", this.#limits.headersMs);
  }

  /** It speaks HTTP/2: idle from its settings on, watched for floods of resets. */
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

  /** Ends after the requests that are under way, at once when there are none. */
  retire(): void {
    this.#isRetiring = true;
    // Tells the client at once to open no more streams here.
    if (this.#session !== null && !this.#session.closed) this.#session.close();
    this.#restIfIdle();
  }

  destroy(): void {
    this.#session?.destroy();
    this.socket.destroy();
  }

  /** The peer has this long for what is awaited of it, else the connection is destroyed. Replaces the last deadline. */
  #expect(what: string, withinMs: number): void {
    this.#setDeadline(withinMs, () => {
      this.#logger.debug("a connection was dropped: its peer is too slow", { ...this.#peer(), what, withinMs });
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

  /** The last answer is written but may still be under way. */
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
    this.#logger.warn("a connection was dropped: it reset too many streams", {
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
