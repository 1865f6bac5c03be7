import { ReseolioError } from "../errors.ts";
import type { Session } from "../session/session.ts";
import { reseolioErrorFrom } from "../transport/connect-errors.ts";

/** Makes unary calls next to the session's stream. While the session is broken, calls wait for it. */
export class UnaryCalls {
  readonly #session: Session;
  readonly #callTimeoutMs: number;

  constructor(session: Session, callTimeoutMs: number) {
    this.#session = session;
    this.#callTimeoutMs = callTimeoutMs;
  }

  /** For calls whose answer would differ the second time. @throws ReseolioError */
  async once<T>(call: () => Promise<T>): Promise<T> {
    await this.#session.whenOpen(this.#callTimeoutMs);
    try {
      return await call();
    } catch (error) {
      throw reseolioErrorFrom(error);
    }
  }

  /** For reads and idempotent calls: retried while the daemon is away. @throws ReseolioError */
  async repeat<T>(call: () => Promise<T>): Promise<T> {
    const endAt = performance.now() + this.#callTimeoutMs;
    for (;;) {
      try {
        return await this.once(call);
      } catch (error) {
        const isOver = performance.now() >= endAt || this.#session.isClosed;
        if (!(error instanceof ReseolioError) || error.code !== "connection" || isOver) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, REPEAT_DELAY_MS));
    }
  }
}

const REPEAT_DELAY_MS = 100;

/** @throws ReseolioError `invalid_argument` */
export function pageSizeOf(limit: number | undefined, name = "limit"): number {
  if (limit === undefined) return 0;
  if (Number.isInteger(limit) && limit >= 1 && limit <= 1000) return limit;
  throw new ReseolioError("invalid_argument", `${name} is ${limit}; use a whole number from 1 to 1000`);
}
