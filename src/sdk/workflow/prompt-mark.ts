/**
 * Whether a handler goes on with what it was given last: no timer, no answer from outside and nothing else of the event
 * loop lies between, however many awaits do. A tick that is asked for in a microtask comes when no microtask is left, in
 * Node and in Bun.
 */
export class PromptMark {
  #isSet = false;

  /** @param onEnd the handler has asked for all that it asks for at once */
  constructor(private readonly onEnd: () => void) {}

  get isSet(): boolean {
    return this.#isSet;
  }

  set(): void {
    if (this.#isSet) return;
    this.#isSet = true;
    queueMicrotask(this.#endBehindMicrotasks);
  }

  readonly #endBehindMicrotasks = (): void => process.nextTick(this.#end);

  readonly #end = (): void => {
    this.#isSet = false;
    this.onEnd();
  };
}
