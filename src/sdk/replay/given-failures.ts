/** Failures that a handler was given, to be found again in what it throws at its end. */
import type { Operation } from "./operation.ts";

/** A handler wraps errors in errors; beyond this nobody looks. */
const MAX_EXAMINED = 1_000;

export class GivenFailures {
  /** Made with the first failure: a thousand handlers at once would each cost the collector one. */
  #operations: WeakMap<object, Operation> | undefined;

  /** @returns the error */
  give<E extends Error>(error: E, operation: Operation): E {
    this.#operations ??= new WeakMap();
    this.#operations.set(error, operation);
    return error;
  }

  /**
   * Operations whose failures ended the attempt: the error that the handler threw is one of those that it was given, or
   * has one among its causes and `errors`, at any depth.
   */
  behind(thrown: unknown): readonly Operation[] {
    if (this.#operations === undefined) return [];
    const found = new Set<Operation>();
    const seen = new Set<object>();
    const queue: unknown[] = [thrown];
    while (queue.length > 0 && seen.size < MAX_EXAMINED) {
      const one = queue.shift();
      if (typeof one !== "object" || one === null || seen.has(one)) continue;
      seen.add(one);
      const operation = this.#operations.get(one);
      if (operation !== undefined) found.add(operation);
      queue.push(...partsOf(one));
    }
    return [...found];
  }
}

/** Programs write what they like into an error's fields, and getters may throw. */
function partsOf(error: object): readonly unknown[] {
  try {
    const { cause, errors } = error as { readonly cause?: unknown; readonly errors?: unknown };
    return Array.isArray(errors) ? [cause, ...(errors as readonly unknown[])] : [cause];
  } catch {
    return [];
  }
}
