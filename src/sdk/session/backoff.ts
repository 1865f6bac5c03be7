/** Exponential backoff with jitter, so that clients that lost the same daemon do not reconnect in lockstep. */
export class Backoff {
  #attempts = 0;

  constructor(
    private readonly minMs: number,
    private readonly maxMs: number,
    /** A number in [0, 1). */
    private readonly random: () => number = Math.random,
  ) {}

  /** Between half of the nominal delay and all of it. */
  nextMs(): number {
    const nominal = Math.min(this.minMs * 2 ** Math.min(this.#attempts, 30), this.maxMs);
    this.#attempts++;
    return nominal * (0.5 + this.random() / 2);
  }

  reset(): void {
    this.#attempts = 0;
  }
}
