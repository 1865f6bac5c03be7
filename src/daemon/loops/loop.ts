import type { Logger } from "../logger.ts";

/**
 * Something that is done again and again until stopped. Ticks never overlap; the first of a row of ticks that throw is
 * logged, and the next one comes all the same. Starting or stopping twice is harmless; `stop` waits for the tick under
 * way.
 */
export interface Loop {
  start(): void;
  stop(): Promise<void>;
  /** Ticks at once, because the clock was moved; resolves after that tick. Does nothing before the start. */
  tickNow(): Promise<void>;
}

/** Runs `tick` every `intervalMs`, counted from the end of the one before. */
export function everyInterval(
  name: string,
  intervalMs: number,
  logger: Logger,
  tick: () => Promise<void> | void,
): Loop {
  return new SelfPacedLoop(name, logger, async () => {
    await tick();
    return intervalMs;
  });
}

/** A loop whose tick says after how many milliseconds it wants the next one, and that can be asked to come sooner. */
export class SelfPacedLoop implements Loop {
  readonly #name: string;
  readonly #logger: Logger;
  readonly #tick: () => Promise<number>;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #timerAt = Infinity;
  #running: Promise<void> | null = null;
  #soonerAt = Infinity;
  #isStarted = false;
  /** Ticks that failed since one did not. */
  #failures = 0;

  constructor(name: string, logger: Logger, tick: () => Promise<number>) {
    this.#name = name;
    this.#logger = logger;
    this.#tick = tick;
  }

  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#arm(0);
  }

  async stop(): Promise<void> {
    this.#isStarted = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#timerAt = Infinity;
    await this.#running;
  }

  async tickNow(): Promise<void> {
    // The tick under way may have looked at the clock before it was moved.
    while (this.#running !== null) await this.#running;
    if (!this.#isStarted) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#fire();
  }

  /** Ticks within `delayMs`, unless the next tick comes earlier anyway. */
  within(delayMs: number): void {
    if (!this.#isStarted) return;
    const at = performance.now() + delayMs;
    if (this.#running !== null) this.#soonerAt = Math.min(this.#soonerAt, at);
    else if (at < this.#timerAt) this.#arm(delayMs);
  }

  #arm(delayMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    // A timer longer than 2^31 ms fires at once; and one may be lost over a suspend of the machine.
    const bounded = Math.min(Math.max(0, delayMs), MAX_TIMER_MS);
    this.#timerAt = performance.now() + bounded;
    this.#timer = setTimeout(() => void this.#fire(), bounded);
  }

  #fire(): Promise<void> {
    this.#timer = null;
    this.#timerAt = Infinity;
    this.#running = this.#run();
    return this.#running;
  }

  async #run(): Promise<void> {
    let delayMs = RETRY_MS;
    try {
      delayMs = await this.#tick();
      this.#noteSuccess();
    } catch (error) {
      this.#noteFailure(error);
    }
    this.#running = null;
    if (!this.#isStarted) return;
    const soonerMs = this.#soonerAt - performance.now();
    this.#soonerAt = Infinity;
    this.#arm(Math.min(delayMs, soonerMs));
  }

  /** Once for each time of trouble: an outage of the store is not told every second by every loop. */
  #noteFailure(error: unknown): void {
    const text = `${this.#name} failed; it is tried again every ${RETRY_MS} ms until it works`;
    if (this.#failures++ === 0) this.#logger.warn(text, { error });
    else this.#logger.debug(text, { error, failures: this.#failures });
  }

  #noteSuccess(): void {
    if (this.#failures > 0) this.#logger.info(`${this.#name} works again`, { failures: this.#failures });
    this.#failures = 0;
  }
}

const MAX_TIMER_MS = 60_000;
const RETRY_MS = 1_000;
