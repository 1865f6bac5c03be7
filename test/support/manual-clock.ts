import type { Clock } from "../../src/daemon/core/clock.ts";

/** A clock that moves only when told. Starts at 2026-01-01T00:00:00Z unless told otherwise. */
export class ManualClock implements Clock {
  #now: number;
  #monotonic = 0;

  constructor(startAt: number | Date = Date.UTC(2026, 0, 1)) {
    this.#now = Number(startAt);
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  /** Moves both hands forward by this many milliseconds; fractions are kept. */
  advance(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`advance: ${ms} ms is not forward; use jumpTo for wall time`);
    this.#now += ms;
    this.#monotonic += ms;
  }

  /** Sets wall time alone, forward or back, as an administrator or NTP would. */
  jumpTo(at: number | Date): void {
    this.#now = Number(at);
  }
}
