/** Remembers the failures delivered to a handler, to find them in what it throws at its end. */
import type { Operation } from "./operation.ts";

/** Limit of the search through nested errors. */
const MAX_EXAMINED = 1_000;

export class GivenFailures {
  /** Created with the first failure, as a WeakMap per handler would burden the garbage collector. */
  #operations: WeakMap<object, Operation> | undefined;

  /** @returns the error */
  give<E extends Error>(error: E, operation: Operation): E {
    this.#operations ??= new WeakMap();
    this.#operations.set(error, operation);
    return error;
  }

  /**
   * The operations whose failures ended the attempt: those whose errors the handler threw, directly or at any depth
   * among the causes and `errors` of what it threw.
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

/** A program may put any value into an error's fields, and getters may throw. */
function partsOf(error: object): readonly unknown[] {
  try {
    const { cause, errors } = error as { readonly cause?: unknown; readonly errors?: unknown };
    return Array.isArray(errors) ? [cause, ...(errors as readonly unknown[])] : [cause];
  } catch {
    return [];
  }
}
