import { DaemonError } from "../../core/errors.ts";

/**
 * A bounded queue between a source that pushes and a server stream that the client reads at its own pace. On overflow it
 * ends the stream instead of exhausting memory. It has one reader.
 */
export class StreamBuffer<T> {
  readonly #capacity: number;
  readonly #overflow: () => DaemonError;
  #items: T[] = [];
  #fault: { readonly error: unknown } | null = null;
  #wake: (() => void) | null = null;

  /** @param overflow creates the error for more than `capacity` queued items */
  constructor(capacity: number, overflow: () => DaemonError) {
    this.#capacity = capacity;
    this.#overflow = overflow;
  }

  push(...items: readonly T[]): void {
    if (this.#fault !== null) return;
    if (this.#items.length + items.length > this.#capacity) {
      // Queued items would be followed by a gap, so the reader gets the error at once.
      this.#items = [];
      this.fail(this.#overflow());
      return;
    }
    for (const item of items) this.#items.push(item);
    this.#wakeReader();
  }

  /** Ends the stream with this error after the items pushed before. Only the first error counts. */
  fail(error: unknown): void {
    this.#fault ??= { error };
    this.#wakeReader();
  }

  /** Waits for items and takes at most `limit` of them, in order. Throws the error of `fail` once none are left. */
  async take(limit: number): Promise<readonly T[]> {
    while (this.#items.length === 0) {
      if (this.#fault !== null) throw this.#fault.error;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.#items.splice(0, limit);
  }

  /**
   * Fails the buffer when the client disconnects or the daemon drains. Returns a function that removes the listeners, to
   * call at the end of the stream.
   */
  failOn(signals: StreamSignals): () => void {
    const onCancelled = (): void => this.fail(signals.cancelled.reason);
    const onDraining = (): void => this.fail(new DaemonError("unavailable", "the daemon is stopping: reconnect"));
    if (signals.cancelled.aborted) onCancelled();
    if (signals.draining.aborted) onDraining();
    signals.cancelled.addEventListener("abort", onCancelled, { once: true });
    signals.draining.addEventListener("abort", onDraining, { once: true });
    return () => {
      signals.cancelled.removeEventListener("abort", onCancelled);
      signals.draining.removeEventListener("abort", onDraining);
    };
  }

  #wakeReader(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

/** Signals that end a server stream early. */
export interface StreamSignals {
  /** The client cancelled, disconnected, or its deadline expired. */
  readonly cancelled: AbortSignal;
  /** The daemon starts to drain. */
  readonly draining: AbortSignal;
}
