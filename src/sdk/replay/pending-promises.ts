/** A pending promise of a handler, which rejects when the handler is aborted. It is in at most one list. */
export interface Pending {
  readonly reject: (reason: Error) => void;
  /** Links of the list. */
  previous: Pending | undefined;
  next: Pending | undefined;
}

/** The pending promises of a handler, oldest first. Linked through the objects themselves, as every record adds one. */
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

  /** Adds a promise that was made elsewhere. */
  add(pending: Pending): void {
    pending.previous = this.#last;
    if (this.#last === undefined) this.#first = pending;
    else this.#last.next = pending;
    this.#last = pending;
  }

  /** Removes it; does nothing if it is not in the list. */
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
