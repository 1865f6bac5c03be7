/**
 * Whether a handler goes on with what it was given last: no timer, no answer from outside and nothing else of the event
 * loop lies between, however many awaits do.
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
    marks.push(this);
    if (marks.length === 1) queueMicrotask(endBehindMicrotasks);
  }

  end(): void {
    this.#isSet = false;
    this.port.onAsked();
  }
}

export interface PromptPort {
  /** The handler has asked for all that it asks for at once. */
  onAsked(): void;
}

/** Of all handlers of the process: those that are set between two ticks end together. */
let marks: PromptMark[] = [];

/** A tick that is asked for in a microtask comes when no microtask is left, in Node and in Bun. */
function endBehindMicrotasks(): void {
  process.nextTick(endAll);
}

function endAll(): void {
  const ended = marks;
  marks = [];
  for (const mark of ended) mark.end();
}
