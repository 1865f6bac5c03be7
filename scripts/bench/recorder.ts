import { median } from "./statistics.ts";

/** Values by name, one for each round. */
export class Recorder {
  readonly #values = new Map<string, number[]>();

  add(key: string, value: number): void {
    const values = this.#values.get(key);
    if (values === undefined) this.#values.set(key, [value]);
    else values.push(value);
  }

  /** In the order of the rounds; empty for what was not measured. */
  values(key: string): readonly number[] {
    return this.#values.get(key) ?? [];
  }

  /** Null for what was not measured. */
  median(key: string): number | null {
    const values = this.values(key);
    return values.length === 0 ? null : median(values);
  }

  /** Every value of every round. */
  toJSON(): Readonly<Record<string, readonly number[]>> {
    return Object.fromEntries(this.#values);
  }
}
