import type { Clock } from "./clock.ts";

/** The clocks of the machine. */
export interface Hands {
  /** Milliseconds since the epoch; an administrator or NTP may set it. */
  wall(): number;
  /** Never goes back; may stand still while the machine sleeps. */
  monotonic(): number;
  /** Milliseconds since the machine started, its sleep included; null where that cannot be read. */
  sinceBoot(): number | null;
}

/** Less is the slewing of NTP, and is followed at once. */
const STEP_MS = 500;
/** A comparison with the time since boot must not reach back so far that slewing looks like a step. */
const ANCHOR_MS = 10_000;

/**
 * The wall clock, but for its steps: when somebody sets it while the daemon runs, this one goes on as before and holds
 * the step until it is adopted, after the lengths of time that are under way were moved along with it. So nothing that
 * waits for a length is early. A machine that slept is no step: there the wall clock is right. Where the time since
 * boot cannot be read the two look alike, and the wall clock is followed.
 */
export class SteadyClock implements Clock {
  readonly #hands: Hands;
  #held = 0;
  #wall: number;
  #monotonic: number;
  #anchor: { readonly wall: number; readonly monotonic: number; readonly boot: number | null };

  constructor(hands: Hands) {
    this.#hands = hands;
    this.#wall = hands.wall();
    this.#monotonic = hands.monotonic();
    this.#anchor = { wall: this.#wall, monotonic: this.#monotonic, boot: hands.sinceBoot() };
  }

  now(): number {
    this.#look();
    return this.#wall - this.#held;
  }

  monotonic(): number {
    return this.#hands.monotonic();
  }

  /** How far the wall clock was set and this one has not followed, in milliseconds; below 0 when it was set back. */
  get heldStep(): number {
    this.#look();
    return this.#held;
  }

  /** Follows the wall clock by this much of what is held. */
  adopt(step: number): void {
    this.#held -= step;
  }

  #look(): void {
    const wall = this.#hands.wall();
    const monotonic = this.#hands.monotonic();
    const apart = wall - this.#wall - (monotonic - this.#monotonic);
    this.#wall = wall;
    this.#monotonic = monotonic;
    if (Math.abs(apart) >= STEP_MS) this.#held += this.#measureStep(wall);
    else if (monotonic - this.#anchor.monotonic < ANCHOR_MS) return;
    this.#anchor = { wall, monotonic, boot: this.#hands.sinceBoot() };
  }

  #measureStep(wall: number): number {
    const boot = this.#hands.sinceBoot();
    if (boot === null || this.#anchor.boot === null) return 0;
    const step = wall - this.#anchor.wall - (boot - this.#anchor.boot);
    return Math.abs(step) >= STEP_MS ? Math.round(step) : 0;
  }
}
