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
 * The context of the handler in which this code runs, also after an `await` and inside functions that the handler
 * calls.
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

/** Where the caller runs; undefined outside a handler. */
export function currentScope(): Scope | undefined {
  return storage.getStore();
}

/**
 * Puts everything that the caller does from here on into this branch, also after awaits. No effect outside the handler.
 */
export function enterBranch(context: object, branch: Branch): void {
  const scope = storage.getStore();
  if (scope === undefined || scope.context !== context) return;
  storage.enterWith({ context: scope.context, stepName: scope.stepName, calls: scope.calls, branch });
}

/** Runs a handler or a step so that `context()` works inside it, also after an await. */
export function runInScope(current: Scope, handler: (...args: never[]) => unknown, args: readonly unknown[]): unknown {
  // The registry erased the handler's types; the arguments are what the caller stored.
  return storage.run(current, handler as (...args: readonly unknown[]) => unknown, ...args);
}
