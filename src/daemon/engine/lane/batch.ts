import type { Completion } from "./write-kind.ts";

/** Items of one caller, all of one kind, and where their answers go. */
export interface Entry {
  readonly items: readonly unknown[];
  readonly completion: Completion<readonly unknown[]>;
}

const NO_ITEMS: readonly unknown[] = [];

/** The entries of one transaction, by the position of their kind in the lane's list. */
export class Batch {
  readonly #byKind: readonly Entry[][];
  #size = 0;

  constructor(kindCount: number) {
    this.#byKind = Array.from({ length: kindCount }, () => []);
  }

  /** Number of entries of all kinds. One without items counts too, because its caller waits for the commit. */
  get size(): number {
    return this.#size;
  }

  add(kind: number, entry: Entry): void {
    this.#entriesOf(kind).push(entry);
    this.#size++;
  }

  /** Concatenates the items of all entries of a kind. */
  itemsOf(kind: number): readonly unknown[] {
    const entries = this.#entriesOf(kind);
    if (entries.length === 0) return NO_ITEMS;
    return entries.length === 1 ? (entries[0] as Entry).items : entries.flatMap((entry) => entry.items);
  }

  /** The kind that all entries are of, or -1. */
  onlyKind(): number {
    return this.#size === 0 ? -1 : this.#byKind.findIndex((entries) => entries.length === this.#size);
  }

  /** Gives each entry of a kind its part of the answers. */
  answer(kind: number, answers: readonly unknown[]): void {
    const entries = this.#entriesOf(kind);
    if (entries.length === 1) return (entries[0] as Entry).completion.done(answers);
    let offset = 0;
    for (const entry of entries) entry.completion.done(answers.slice(offset, (offset += entry.items.length)));
  }

  fail(error: Parameters<Entry["completion"]["failed"]>[0]): void {
    for (const entries of this.#byKind) for (const { completion } of entries) completion.failed(error);
  }

  /** One batch per entry. */
  split(): readonly Batch[] {
    return this.#byKind.flatMap((entries, kind) =>
      entries.map((entry) => {
        const part = new Batch(this.#byKind.length);
        part.add(kind, entry);
        return part;
      }),
    );
  }

  #entriesOf(kind: number): Entry[] {
    return this.#byKind[kind] as Entry[];
  }
}
