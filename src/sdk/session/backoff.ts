/** Exponential backoff with jitter, so that clients that lost the same daemon do not reconnect in lockstep. */
export class Backoff {
  #attempts = 0;

  readonly #minMs: number;
  readonly #maxMs: number;
  /** A number in [0, 1). */
  readonly #random: () => number;

  constructor(minMs: number, maxMs: number, random: () => number = Math.random) {
    this.#minMs = minMs;
    this.#maxMs = maxMs;
    this.#random = random;
  }

  /** Between half of the nominal delay and all of it. */
  nextMs(): number {
    const nominal = Math.min(this.#minMs * 2 ** Math.min(this.#attempts, 30), this.#maxMs);
    this.#attempts++;
    return nominal * (0.5 + this.#random() / 2);
  }

  reset(): void {
    this.#attempts = 0;
  }
}
