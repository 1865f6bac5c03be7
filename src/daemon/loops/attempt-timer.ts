import type { Engine } from "../engine/engine.ts";
import { nearestDeadline, timeOutAttempts } from "../engine/jobs/time-out-attempts.ts";
import type { Logger } from "../logger.ts";
import { SelfPacedLoop } from "./loop.ts";

/** Ends attempts at their time limit, with one timer for all. */
export class AttemptTimer extends SelfPacedLoop {
  readonly #engine: Engine;
  #armedAt = Infinity;

  constructor(engine: Engine, logger: Logger) {
    super("attempt timer", logger, () => this.#tick());
    this.#engine = engine;
  }

  /** An attempt has started that must end by this monotonic time. Hot: most deadlines come after the armed one. */
  onDeadline(deadline: number): void {
    if (deadline >= this.#armedAt) return;
    this.#armedAt = deadline;
    this.within(deadline - this.#engine.clock.monotonic());
  }

  async #tick(): Promise<number> {
    this.#armedAt = Infinity;
    await timeOutAttempts(this.#engine);
    this.#armedAt = Math.min(this.#armedAt, nearestDeadline(this.#engine));
    return this.#armedAt - this.#engine.clock.monotonic();
  }
}
