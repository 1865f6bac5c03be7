import type { Engine } from "../engine/engine.ts";
import { nearestDeadline, timeOutAttempts } from "../engine/time-out-attempts.ts";
import type { Logger } from "../logger.ts";
import type { Loop } from "./loop.ts";
import { SelfPacedLoop } from "./loop.ts";

/** Ends attempts at their time limit, one timer for all. */
export class AttemptTimer implements Loop {
  readonly #engine: Engine;
  readonly #loop: SelfPacedLoop;
  #armedAt = Infinity;

  constructor(engine: Engine, logger: Logger) {
    this.#engine = engine;
    this.#loop = new SelfPacedLoop("the timer for attempts", logger, () => this.#tick());
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  tickNow(): Promise<void> {
    return this.#loop.tickNow();
  }

  /** An attempt started that must end by this monotonic time. Hot: most deadlines lie after the armed one. */
  noteDeadline(deadline: number): void {
    if (deadline >= this.#armedAt) return;
    this.#armedAt = deadline;
    this.#loop.within(deadline - this.#engine.clock.monotonic());
  }

  async #tick(): Promise<number> {
    this.#armedAt = Infinity;
    await timeOutAttempts(this.#engine);
    this.#armedAt = Math.min(this.#armedAt, nearestDeadline(this.#engine));
    return this.#armedAt - this.#engine.clock.monotonic();
  }
}
