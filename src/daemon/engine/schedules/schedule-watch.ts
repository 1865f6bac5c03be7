import { Listeners } from "../dispatch/listeners.ts";

/** Upper bounds in seconds of how late ticks were fired. */
export const LATENESS_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60] as const;

/**
 * A daemon that has not observed the schedules for this long was not there: the machine slept, or its clock was set.
 */
const STALL_MS = 5_000;

/**
 * Remembers since when this daemon has observed the schedules without a break, and what it fired. A tick that was due
 * before that is missed, and its schedule's catchUp decides; a tick that becomes due under observation is never missed,
 * however late it fires.
 */
export class ScheduleWatch {
  readonly #graceMs: number;
  #since: number | null = null;
  #observedAt = -Infinity;
  readonly buckets: number[] = LATENESS_BUCKETS.map(() => 0);
  /** Ticks that enqueued a job. The lateness below leaves out those that were missed. */
  fired = 0;
  latenessCount = 0;
  latenessSeconds = 0;
  /** Ticks that enqueued no job, because an earlier one had not ended. */
  skipped = 0;
  /** Names of schedules whose ticks cannot be computed, each with the reason. */
  readonly faults = new Listeners<string>();
  /** A schedule was created or changed: its next tick may be sooner. */
  readonly changed = new Listeners<void>();

  /**
   * @param graceMs a tick that was due at most this long before the observation began is not missed, because another
   * daemon may have fired it
   */
  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  /** Records an observation at the store's time `now`. Returns the time before which due ticks are missed. */
  observe(now: number): number {
    const isBroken = now - this.#observedAt > STALL_MS || now < this.#observedAt - STALL_MS;
    if (this.#since === null || isBroken) this.#since = now;
    this.#observedAt = now;
    return this.#since - this.#graceMs;
  }

  /** Records a slice after its commit. */
  record(report: {
    readonly lateMs: readonly number[];
    readonly fired: number;
    readonly skipped: number;
    readonly faults: readonly string[];
  }): void {
    for (const fault of report.faults) this.faults.notify(fault);
    this.fired += report.fired;
    this.skipped += report.skipped;
    for (const lateMs of report.lateMs) {
      const seconds = lateMs / 1_000;
      this.latenessCount++;
      this.latenessSeconds += seconds;
      const bucket = LATENESS_BUCKETS.findIndex((bound) => seconds <= bound);
      if (bucket >= 0) this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1;
    }
  }
}
