import type { Context } from "../context.ts";
import { currentScope, type Scope } from "../replay/scope.ts";
import type { ExecutionHost } from "./execution-host.ts";
import type { Execution } from "./execution.ts";
import type { Undos } from "./undos.ts";

/** One execution of a handler, as its steps, waits and calls see it. */
export interface RunningHandler extends Context, ExecutionHost {
  readonly jobId: string;
  readonly functionName: string;
  readonly log: Context["log"];
  /** The client that runs the handler: only its own calls are children of the job. */
  readonly owner: object;
  /** What is recorded and awaited. */
  readonly execution: Execution;
  /** The registered undos of the steps that the handler has asked for. */
  readonly undos: Undos;
  /** The handler has settled. */
  readonly hasEnded: boolean;
}

/** A scope with the handler that it belongs to. */
export interface HandlerScope extends Scope {
  readonly context: RunningHandler;
}

/**
 * Where the caller runs; undefined outside a handler. Code runs in no scope but that of a HandlerContext or of one of
 * its steps.
 */
export const currentHandlerScope = currentScope as () => HandlerScope | undefined;
