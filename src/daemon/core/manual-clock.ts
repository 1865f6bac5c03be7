import type { Clock } from "./clock.ts";

/**
 * For tests: the time of day stands still until it is moved. The monotonic hand goes on as it does, so that leases and
 * the time limits of attempts, which watch real work, keep their real length.
 */
export class ManualClock implements Clock {
  #now: number;

  constructor(
    startAt: number,
    private readonly steady: Pick<Clock, "monotonic">,
  ) {
    this.#now = startAt;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.steady.monotonic();
  }

  /** Forward only; false when that time has passed already, and then nothing changes. */
  moveTo(now: number): boolean {
    if (now < this.#now) return false;
    this.#now = now;
    return true;
  }
}
