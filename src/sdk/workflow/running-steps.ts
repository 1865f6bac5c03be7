import type { Operation } from "../replay/operation.ts";

/** setTimeout fires at once for a longer delay. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Steps of a handler whose code is running. */
export class RunningSteps {
  readonly #steps: Operation[] = [];
  #onOver: (() => void) | undefined;

  get size(): number {
    return this.#steps.length;
  }

  get names(): readonly string[] {
    return this.#steps.map(({ label }) => label);
  }

  add(operation: Operation): void {
    this.#steps.push(operation);
  }

  /** The step was recorded or has failed. */
  delete(operation: Operation): void {
    if (this.#steps.at(-1) === operation) this.#steps.pop();
    else {
      const index = this.#steps.lastIndexOf(operation);
      if (index >= 0) this.#steps.splice(index, 1);
    }
    if (this.#steps.length === 0) this.#onOver?.();
  }

  /** Calls `onOver` once: when no step runs any more, when `stopWaiting` is called, or after `limitMs`. */
  whenOver(limitMs: number, onOver: () => void): void {
    const timer = setTimeout(() => this.#onOver?.(), Math.min(limitMs, MAX_TIMER_MS));
    this.#onOver = () => {
      clearTimeout(timer);
      this.#onOver = undefined;
      onOver();
    };
  }

  stopWaiting(): void {
    this.#onOver?.();
  }
}
