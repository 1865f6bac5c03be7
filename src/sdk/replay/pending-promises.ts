/** Promises of a handler: all of them reject when its time is over. */
export class PendingPromises {
  readonly #rejects = new Set<(reason: Error) => void>();

  make<T>(start: (resolve: (value: T) => void, reject: (reason: Error) => void) => void): Promise<T> {
    return new Promise((onValue, onError) => {
      this.#rejects.add(onError);
      start(
        (value) => {
          this.#rejects.delete(onError);
          onValue(value);
        },
        (reason) => {
          this.#rejects.delete(onError);
          onError(reason);
        },
      );
    });
  }

  /** One that is made elsewhere. */
  add(reject: (reason: Error) => void): void {
    this.#rejects.add(reject);
  }

  forget(reject: (reason: Error) => void): void {
    this.#rejects.delete(reject);
  }

  rejectAll(reason: Error): void {
    const rejects = [...this.#rejects];
    this.#rejects.clear();
    for (const reject of rejects) reject(reason);
  }

  forgetAll(): void {
    this.#rejects.clear();
  }
}
