import type { StepOptions } from "../options/step-options.ts";
import type { Operation } from "../replay/operation.ts";

export type Undo = NonNullable<StepOptions["undo"]>;

/** The registered undos of the steps that a handler has asked for. */
export class Undos {
  readonly #undos: { readonly operation: Operation; readonly undo: Undo }[] = [];

  add(operation: Operation, { undo }: StepOptions): void {
    if (undo !== undefined) this.#undos.push({ operation, undo });
  }

  /**
   * @param label compared at the time of the call: an operation may take the label of a record after it was asked for
   */
  find(label: string): Undo | undefined {
    return this.#undos.findLast(({ operation }) => operation.label === label)?.undo;
  }
}
