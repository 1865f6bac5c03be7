import type { Query, Row } from "../connection/rows.ts";

/** Whether the left id comes before the right one in the order of the streams. */
export type IsFirst = (left: Uint8Array, right: Uint8Array) => boolean;

export const newestFirst: IsFirst = (left, right) => Buffer.compare(left, right) > 0;
export const oldestFirst: IsFirst = (left, right) => Buffer.compare(left, right) < 0;

/** Ids of one index range in its order, read in pieces on demand; no statement stays open between the pieces. */
export class IdStream {
  readonly #statement: Query | null;
  readonly #bindings: readonly (number | Uint8Array)[];
  #from: Uint8Array;
  readonly #mostAtOnce: number;
  #piece: number;
  #ids: readonly Uint8Array[] = [];
  #next = 0;
  #ended: boolean;

  /**
   * @param statement its last two parameters are the id to continue after and the limit; null for a stream that `fill`
   *   provides
   */
  constructor(
    statement: Query | null,
    bindings: readonly (number | Uint8Array)[],
    from: Uint8Array,
    piece: number,
    mostAtOnce = 512,
  ) {
    this.#statement = statement;
    this.#bindings = bindings;
    this.#from = from;
    this.#piece = piece;
    this.#mostAtOnce = mostAtOnce;
    this.#ended = statement === null;
  }

  fill(ids: readonly Uint8Array[]): void {
    this.#ids = ids;
  }

  peek(): Uint8Array | null {
    if (this.#next === this.#ids.length && !this.#ended) this.#refill();
    return this.#ids[this.#next] ?? null;
  }

  advance(): void {
    this.#next++;
  }

  #refill(): void {
    const rows = this.#statement!.values(...this.#bindings, this.#from, this.#piece) as Row[];
    this.#ids = rows.map((row) => row[0] as Uint8Array);
    this.#next = 0;
    this.#ended = rows.length < this.#piece;
    this.#from = this.#ids.at(-1) ?? this.#from;
    this.#piece = Math.min(this.#piece * 2, this.#mostAtOnce);
  }
}

/** Merges several streams of one order. */
export class MergedIds {
  readonly #heap: IdStream[];
  readonly #isFirst: IsFirst;

  constructor(streams: readonly IdStream[], isFirst: IsFirst) {
    this.#isFirst = isFirst;
    this.#heap = streams.filter((stream) => stream.peek() !== null);
    for (let index = this.#heap.length >> 1; index >= 0; index--) this.#sink(index);
  }

  peek(): Uint8Array | null {
    return this.#heap[0]?.peek() ?? null;
  }

  advance(): void {
    const first = this.#heap[0];
    if (first === undefined) return;
    first.advance();
    if (first.peek() === null) {
      const last = this.#heap.pop()!;
      if (this.#heap.length > 0) this.#heap[0] = last;
    }
    this.#sink(0);
  }

  #sink(start: number): void {
    for (let index = start; ;) {
      let first = index;
      for (const child of [2 * index + 1, 2 * index + 2]) {
        if (child < this.#heap.length && this.#isBefore(child, first)) first = child;
      }
      if (first === index) return;
      [this.#heap[index], this.#heap[first]] = [this.#heap[first]!, this.#heap[index]!];
      index = first;
    }
  }

  #isBefore(left: number, right: number): boolean {
    return this.#isFirst(this.#heap[left]!.peek()!, this.#heap[right]!.peek()!);
  }
}
