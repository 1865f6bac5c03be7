import { currentScope, type Scope } from "../replay/scope.ts";
import type { RunningHandler } from "./running-handler.ts";

/** A scope with the handler that it belongs to. */
export interface HandlerScope extends Scope {
  readonly context: RunningHandler;
}

/** Where the caller runs; undefined outside a handler. */
export function currentHandlerScope(): HandlerScope | undefined {
  // Code runs in no scope but that of a HandlerContext or of one of its steps.
  return currentScope() as HandlerScope | undefined;
}
