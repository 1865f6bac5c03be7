import type { Clock } from "./clock.ts";

/** The clocks of the machine. */
export interface MachineClocks {
  /** Milliseconds since the epoch; an administrator or NTP may set it. */
  wall(): number;
  /** Never goes back; may stand still while the machine sleeps. */
  monotonic(): number;
  /** Milliseconds since the machine started, its sleep included; null where that cannot be read. */
  sinceBoot(): number | null;
}

/** Smaller differences come from NTP slewing, and are followed at once. */
const STEP_MS = 500;
/** Longest comparison with the time since boot; over a longer one slewing would look like a step. */
const ANCHOR_MS = 10_000;

/**
 * The wall clock without its steps. When somebody sets the wall clock while the daemon runs, this clock continues as
 * before and holds the step until it is adopted, after running durations were shifted by it, so that none ends early. A
 * sleep of the machine is not a step: afterwards the wall clock is right. Where the time since boot cannot be read the
 * two look alike, and this clock follows the wall clock.
 */
export class SteadyClock implements Clock {
  readonly #machine: MachineClocks;
  #held = 0;
  #wall: number;
  #monotonic: number;
  #anchor: { readonly wall: number; readonly monotonic: number; readonly boot: number | null };

  constructor(clocks: MachineClocks) {
    this.#machine = clocks;
    this.#wall = clocks.wall();
    this.#monotonic = clocks.monotonic();
    this.#anchor = { wall: this.#wall, monotonic: this.#monotonic, boot: clocks.sinceBoot() };
  }

  now(): number {
    this.#update();
    return this.#wall - this.#held;
  }

  monotonic(): number {
    return this.#machine.monotonic();
  }

  /** The step that this clock has not followed, in milliseconds; negative when the wall clock was set back. */
  get heldStep(): number {
    this.#update();
    return this.#held;
  }

  /** Follows this much of the held step. */
  adopt(step: number): void {
    this.#held -= step;
  }

  #update(): void {
    const wall = this.#machine.wall();
    const monotonic = this.#machine.monotonic();
    const apart = wall - this.#wall - (monotonic - this.#monotonic);
    this.#wall = wall;
    this.#monotonic = monotonic;
    if (Math.abs(apart) >= STEP_MS) this.#held += this.#measureStep(wall);
    else if (monotonic - this.#anchor.monotonic < ANCHOR_MS) return;
    this.#anchor = { wall, monotonic, boot: this.#machine.sinceBoot() };
  }

  #measureStep(wall: number): number {
    const boot = this.#machine.sinceBoot();
    if (boot === null || this.#anchor.boot === null) return 0;
    const step = wall - this.#anchor.wall - (boot - this.#anchor.boot);
    return Math.abs(step) >= STEP_MS ? Math.round(step) : 0;
  }
}
