/**
 * Whether a handler goes on with what it was given last: no timer, no answer from outside and nothing else of the event
 * loop lies between, however many awaits do. A tick that is asked for in a microtask comes when no microtask is left, in
 * Node and in Bun.
 */
export class PromptMark {
  #isSet = false;

  constructor(private readonly port: PromptPort) {}

  get isSet(): boolean {
    return this.#isSet;
  }

  set(): void {
    if (this.#isSet) return;
    this.#isSet = true;
    queueMicrotask(this.#endBehindMicrotasks);
  }

  readonly #endBehindMicrotasks = (): void => process.nextTick(PromptMark.#end, this);

  static #end(this: void, mark: PromptMark): void {
    mark.#isSet = false;
    mark.port.onAsked();
  }
}

export interface PromptPort {
  /** The handler has asked for all that it asks for at once. */
  onAsked(): void;
}
