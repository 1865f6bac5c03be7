/** Counts calls of the same function with the same arguments within one execution of a handler or a step. */
export class CallCounter {
  #counts: Map<string, number> | undefined;

  /** From 1. */
  next(call: string): number {
    this.#counts ??= new Map();
    const count = (this.#counts.get(call) ?? 0) + 1;
    this.#counts.set(call, count);
    return count;
  }
}
