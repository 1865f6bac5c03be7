/** Awaits between what a handler is given and what it asks for next: of functions in functions, and of Promise.all. */
const HOPS = 48;

/**
 * Whether a handler goes on with what it was given last: no timer, no answer from outside and nothing else of the event
 * loop lies between. Counted in microtasks, so that it is the same in every execution.
 */
export class PromptMark {
  #hops = 0;
  #isHopping = false;

  get isSet(): boolean {
    return this.#hops > 0;
  }

  set(): void {
    this.#hops = HOPS;
    if (this.#isHopping) return;
    this.#isHopping = true;
    queueMicrotask(this.#hop);
  }

  readonly #hop = (): void => {
    this.#isHopping = --this.#hops > 0;
    if (this.#isHopping) queueMicrotask(this.#hop);
  };
}
