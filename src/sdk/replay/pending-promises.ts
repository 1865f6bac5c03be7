/** Something of a handler that waits: it rejects when the handler's time is over. In one list at most. */
export interface Pending {
  readonly reject: (reason: Error) => void;
  /** The list's own. */
  previous: Pending | undefined;
  next: Pending | undefined;
}

/** Promises of a handler, oldest first: a list through the objects themselves, as each record of a handler is one. */
export class PendingPromises {
  #first: Pending | undefined;
  #last: Pending | undefined;

  make<T>(start: (resolve: (value: T) => void, reject: (reason: Error) => void) => void): Promise<T> {
    return new Promise((onValue, onError) => {
      const pending: Pending = { reject: onError, previous: undefined, next: undefined };
      this.add(pending);
      start(
        (value) => {
          this.forget(pending);
          onValue(value);
        },
        (reason) => {
          this.forget(pending);
          onError(reason);
        },
      );
    });
  }

  /** One that is made elsewhere. */
  add(pending: Pending): void {
    pending.previous = this.#last;
    if (this.#last === undefined) this.#first = pending;
    else this.#last.next = pending;
    this.#last = pending;
  }

  /** Harmless for one that is not in the list any more. */
  forget(pending: Pending): void {
    const { previous, next } = pending;
    if (previous === undefined && this.#first !== pending) return;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    pending.previous = undefined;
    pending.next = undefined;
  }

  rejectAll(reason: Error): void {
    for (const { reject } of this.#takeAll()) reject(reason);
  }

  forgetAll(): void {
    this.#takeAll();
  }

  #takeAll(): readonly Pending[] {
    const all: Pending[] = [];
    for (let one = this.#first; one !== undefined; one = this.#first) {
      this.forget(one);
      all.push(one);
    }
    return all;
  }
}
