import { AsyncLocalStorage } from "node:async_hooks";
import type { Context } from "../context.ts";
import { ReseolioError } from "../errors.ts";
import type { Branch } from "./branch.ts";
import type { CallCounter } from "./call-counter.ts";

/** Where code runs: in a handler, or in a step of one. It travels with the async context. */
export interface Scope {
  readonly context: Context;
  /** Null outside of steps. */
  readonly stepName: string | null;
  /** What led to here. */
  readonly branch: Branch;
  /** Tells calls of the same function with the same arguments apart. */
  readonly calls: CallCounter;
}

const storage = new AsyncLocalStorage<Scope>();

/**
 * The context of the handler in whose call this runs, also after an `await` and inside functions that it calls.
 *
 * @example
 * ```ts
 * reseolio.durable("demo:slow", async () => {
 *   context().signal.throwIfAborted();
 * });
 * ```
 *
 * @throws ReseolioError `no_context` outside a handler
 */
export function context(): Context {
  const current = storage.getStore();
  if (current !== undefined) return current.context;
  throw new ReseolioError("no_context", "context() was called outside a handler; call it inside a durable function");
}

/** As `context()`, but undefined outside a handler, and with the step if it is called inside one. */
export function currentScope(): Scope | undefined {
  return storage.getStore();
}

/** Whatever the caller does from here on, also behind awaits and timers, is in this branch. Nothing outside a handler. */
export function enterBranch(context: object, branch: Branch): void {
  const scope = storage.getStore();
  if (scope === undefined || scope.context !== context) return;
  storage.enterWith({ context: scope.context, stepName: scope.stepName, calls: scope.calls, branch });
}

/** Runs a handler or a step so that `context()` works inside it, also after an await. */
export function runInScope(current: Scope, handler: (...args: never[]) => unknown, args: readonly unknown[]): unknown {
  // The registry erased the handler's types; the arguments are whatever the caller stored.
  return storage.run(current, handler as (...args: readonly unknown[]) => unknown, ...args);
}
