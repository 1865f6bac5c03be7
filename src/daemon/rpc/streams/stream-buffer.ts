import { DaemonError } from "../../core/errors.ts";

/**
 * Between a source that pushes and a server stream that its client reads at its own pace. Bounded: what does not fit
 * ends the stream instead of filling the memory. One reader.
 */
export class StreamBuffer<T> {
  readonly #capacity: number;
  readonly #overflow: () => DaemonError;
  #items: T[] = [];
  #fault: { readonly error: unknown } | null = null;
  #wake: (() => void) | null = null;

  /** @param overflow made when more than `capacity` items wait */
  constructor(capacity: number, overflow: () => DaemonError) {
    this.#capacity = capacity;
    this.#overflow = overflow;
  }

  push(...items: readonly T[]): void {
    if (this.#fault !== null) return;
    if (this.#items.length + items.length > this.#capacity) {
      // What waits would come with a gap behind it: the reader is told at once.
      this.#items = [];
      this.fail(this.#overflow());
      return;
    }
    for (const item of items) this.#items.push(item);
    this.#wakeReader();
  }

  /** The stream ends with this error after what was pushed before. Only the first one counts. */
  fail(error: unknown): void {
    this.#fault ??= { error };
    this.#wakeReader();
  }

  /** Waits for items and takes at most `limit` of them, in order. Throws the error of `fail` when none is left. */
  async take(limit: number): Promise<readonly T[]> {
    while (this.#items.length === 0) {
      if (this.#fault !== null) throw this.#fault.error;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.#items.splice(0, limit);
  }

  /**
   * Fails the buffer when the client is gone or the daemon drains. Returns what takes the listeners off again, for
   * the end of the stream.
   */
  failOn(signals: StreamSignals): () => void {
    const onCancelled = (): void => this.fail(signals.cancelled.reason);
    const onDraining = (): void => this.fail(new DaemonError("unavailable", "the daemon is stopping: connect again"));
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

/** What ends a server stream before its time. */
export interface StreamSignals {
  /** The client cancelled, vanished, or its deadline passed. */
  readonly cancelled: AbortSignal;
  /** The daemon begins to stop. */
  readonly draining: AbortSignal;
}
