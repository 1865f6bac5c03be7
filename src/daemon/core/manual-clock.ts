import type { Clock } from "./clock.ts";

/**
 * A clock for tests: the time stands still until it is moved. Monotonic time runs on, so that leases and time limits of
 * attempts, which apply to real work, keep their real duration.
 */
export class ManualClock implements Clock {
  readonly #steady: Pick<Clock, "monotonic">;
  #now: number;

  constructor(startAt: number, steady: Pick<Clock, "monotonic">) {
    this.#steady = steady;
    this.#now = startAt;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#steady.monotonic();
  }

  /** Moves the time forward. False, and no change, for a time in the past. */
  moveTo(now: number): boolean {
    if (now < this.#now) return false;
    this.#now = now;
    return true;
  }
}
