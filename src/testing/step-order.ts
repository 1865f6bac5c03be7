/**
 * Lets steps that run beside each other go on in another order than they have run: the last one first, then the first
 * one first, in turn. What a handler does must not depend on it.
 */

/** Steps that wait for each other, or for what another one does, go on after this long. */
const PATIENCE_MS = 50;

export class StepOrder {
  readonly #waiting = new Map<string, (() => void)[]>();
  #isReversed = true;

  /** Ends when it is the step's turn. @param running steps of the job that have not gone on */
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

/** One after the other: what each does next is on its way before the next one goes on. */
function resumeEach(waiting: readonly (() => void)[]): void {
  const [first, ...others] = waiting;
  if (first === undefined) return;
  first();
  setTimeout(() => resumeEach(others), 1);
}
