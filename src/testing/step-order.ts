/**
 * Resumes concurrent steps in a different order than they ran: alternately last to first and first to last. What a
 * handler does must not depend on that order.
 */

/** Resumes the steps that have arrived after this time, in case they wait for each other. */
const PATIENCE_MS = 50;

export class StepOrder {
  readonly #waiting = new Map<string, (() => void)[]>();
  #isReversed = true;

  /** Resolves when it is the step's turn. @param running steps of the job that have not been resumed */
  turn(jobId: string, running: number): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(jobId) ?? [];
      waiting.push(resolve);
      this.#waiting.set(jobId, waiting);
      if (waiting.length >= running) this.#release(jobId);
      else setTimeout(() => this.#release(jobId), PATIENCE_MS).unref();
    });
  }

  #release(jobId: string): void {
    const waiting = this.#waiting.get(jobId);
    if (waiting === undefined) return;
    this.#waiting.delete(jobId);
    if (this.#isReversed) waiting.reverse();
    this.#isReversed = !this.#isReversed;
    resumeEach(waiting);
  }
}

/** One after the other: each has sent what it does next before the next one is resumed. */
function resumeEach(waiting: readonly (() => void)[]): void {
  const [first, ...others] = waiting;
  if (first === undefined) return;
  first();
  setTimeout(() => resumeEach(others), 1);
}
