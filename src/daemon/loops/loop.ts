import type { Logger } from "../logger.ts";

/**
 * Work that is repeated until stopped. Ticks never overlap. Of a series of failing ticks the first is logged, and ticks
 * continue. Starting or stopping twice is harmless; `stop` waits for the tick in progress.
 */
export interface Loop {
  start(): void;
  stop(): Promise<void>;
  /** Ticks now, because the clock was moved; resolves after that tick. Does nothing before the start. */
  tickNow(): Promise<void>;
}

/** Runs `tick` every `intervalMs`, measured from the end of the previous tick. */
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

/** A loop whose tick returns the milliseconds until the next one, which `within` can bring forward. */
export class SelfPacedLoop implements Loop {
  readonly #name: string;
  readonly #logger: Logger;
  readonly #tick: () => Promise<number>;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #timerAt = Infinity;
  #running: Promise<void> | null = null;
  #soonerAt = Infinity;
  #isStarted = false;
  /** Number of failed ticks since the last success. */
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
    // The tick in progress may have read the clock before it was moved.
    while (this.#running !== null) await this.#running;
    if (!this.#isStarted) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#fire();
  }

  /** Ticks within `delayMs`, unless the next tick is due earlier anyway. */
  within(delayMs: number): void {
    if (!this.#isStarted) return;
    const at = performance.now() + delayMs;
    if (this.#running !== null) this.#soonerAt = Math.min(this.#soonerAt, at);
    else if (at < this.#timerAt) this.#arm(delayMs);
  }

  #arm(delayMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    // A timer longer than 2^31 ms fires at once, and a suspend of the machine may lose one.
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
      this.#onSuccess();
    } catch (error) {
      this.#onFailure(error);
    }
    this.#running = null;
    if (!this.#isStarted) return;
    const soonerMs = this.#soonerAt - performance.now();
    this.#soonerAt = Infinity;
    this.#arm(Math.min(delayMs, soonerMs));
  }

  /** Logs once per outage, so that not every loop reports every second that the store is away. */
  #onFailure(error: unknown): void {
    const text = `${this.#name} failed; retrying every ${RETRY_MS} ms`;
    if (this.#failures++ === 0) this.#logger.warn(text, { error });
    else this.#logger.debug(text, { error, failures: this.#failures });
  }

  #onSuccess(): void {
    if (this.#failures > 0) this.#logger.info(`${this.#name} recovered`, { failures: this.#failures });
    this.#failures = 0;
  }
}

const MAX_TIMER_MS = 60_000;
const RETRY_MS = 1_000;
