/**
 * Estimates how many jobs to lease a worker beyond its slots: as many as it finishes while new ones are on their way to
 * it. A worker of slow jobs gets none, so that no job waits behind another while a second worker is idle.
 */
export class PrefetchGauge {
  #perMs = 0;
  #meanRunMs = Number.POSITIVE_INFINITY;
  #meanBytes = 0;
  #windowStart = 0;
  #windowCount = 0;

  /** Records outcomes that arrived together at a monotonic time, with the mean run time and size of their jobs. */
  record(count: number, meanRunMs: number, meanBytes: number, at: number): void {
    this.#meanRunMs = Number.isFinite(this.#meanRunMs) ? mix(this.#meanRunMs, meanRunMs) : meanRunMs;
    this.#meanBytes = mix(this.#meanBytes, meanBytes);
    this.#windowCount += count;
    const elapsed = at - this.#windowStart;
    if (elapsed < WINDOW_MS) return;
    this.#perMs = mix(this.#perMs, this.#windowCount / elapsed);
    this.#windowStart = at;
    this.#windowCount = 0;
  }

  /** Drops the estimate: nothing is prefetched until the next outcomes. */
  reset(): void {
    this.#perMs = 0;
    this.#meanRunMs = Number.POSITIVE_INFINITY;
  }

  /** Number of jobs to lease beyond the free slots, given the bytes of args that the worker already holds. */
  prefetch(leasedBytes: number): number {
    if (this.#meanRunMs > SLOW_RUN_MS) return 0;
    const byRate = Math.floor(this.#perMs * HORIZON_MS);
    const byBytes = Math.floor((MAX_BYTES - leasedBytes) / Math.max(1, this.#meanBytes));
    return Math.max(0, Math.min(byRate, byBytes, MAX_PREFETCH));
  }
}

const WINDOW_MS = 5;
/** Duration of two round trips with a commit each on a busy machine. */
const HORIZON_MS = 20;
const SLOW_RUN_MS = 50;
const MAX_PREFETCH = 1024;
const MAX_BYTES = 4 * 1024 * 1024;

function mix(old: number, fresh: number): number {
  return old + (fresh - old) / 2;
}
