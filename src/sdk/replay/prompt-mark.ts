/**
 * Whether a handler is still continuing from its last delivery: no timer, external answer or other event of the event
 * loop has come in between, however many awaits have.
 */
export class PromptMark {
  #isSet = false;

  readonly #port: PromptPort;

  constructor(port: PromptPort) {
    this.#port = port;
  }

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
    this.#port.onAsked();
  }
}

export interface PromptPort {
  /** The handler has asked for everything that it asks for at once. */
  onAsked(): void;
}

/** Marks of all handlers of the process; those set between two ticks end together. */
let marks: PromptMark[] = [];

/** A tick requested in a microtask runs once no microtask is left, in Node and in Bun. */
function endBehindMicrotasks(): void {
  process.nextTick(endAll);
}

function endAll(): void {
  const ended = marks;
  marks = [];
  for (const mark of ended) mark.end();
}
