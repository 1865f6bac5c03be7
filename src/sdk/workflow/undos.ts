import type { StepOptions } from "../options/step-options.ts";
import type { Operation } from "../replay/operation.ts";

export type Undo = NonNullable<StepOptions["undo"]>;

/** What undoes the steps that a handler has asked for. */
export class Undos {
  readonly #undos: { readonly operation: Operation; readonly undo: Undo }[] = [];

  add(operation: Operation, { undo }: StepOptions): void {
    if (undo !== undefined) this.#undos.push({ operation, undo });
  }

  /** @param label of a step: an operation takes the one on record when that is found in changed code, after it is asked for */
  find(label: string): Undo | undefined {
    return this.#undos.findLast(({ operation }) => operation.label === label)?.undo;
  }
}
