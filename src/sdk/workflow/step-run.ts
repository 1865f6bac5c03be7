import type { StepRun } from "../context.ts";
import type { Operation } from "../replay/operation.ts";
import { Branch, CallCounter, runInScope } from "../replay/scope.ts";
import type { HandlerScope } from "./running-handler.ts";
import type { RunningHandler } from "./running-handler.ts";

/**
 * Runs the code of a step once, in its own scope. Returns what the code returns, a promise or not, and throws what it
 * throws.
 */
export function runOnce<T>(
  context: RunningHandler,
  operation: Pick<Operation, "id" | "label">,
  attempt: number,
  run: (step: StepRun) => T,
  timeoutMs: number | undefined,
): T | Promise<Awaited<T>> {
  const scope = new StepScope(context, operation, attempt);
  if (timeoutMs !== undefined) return runTimed(scope, run, new TimedRun(scope, timeoutMs));
  return runInScope(scope, run as () => unknown, [scope]) as T;
}

async function runTimed<T>(scope: StepScope, run: (step: StepRun) => T, clock: TimedRun): Promise<Awaited<T>> {
  try {
    const running = runInScope(scope, run as () => unknown, [clock]);
    return (await Promise.race([running, clock.over])) as Awaited<T>;
  } finally {
    clock.stop();
  }
}

/** One run of a step: its scope and its argument in one object. Its parts are created on demand. */
class StepScope implements HandlerScope, StepRun {
  readonly #id: number;
  readonly stepName: string;
  #calls: CallCounter | undefined;
  #branch: Branch | undefined;

  constructor(
    readonly context: RunningHandler,
    { id, label }: Pick<Operation, "id" | "label">,
    readonly attempt: number,
  ) {
    this.#id = id;
    this.stepName = label;
  }

  get name(): string {
    return this.stepName;
  }

  /** The handler's signal. */
  get signal(): AbortSignal {
    return this.context.signal;
  }

  get calls(): CallCounter {
    this.#calls ??= new CallCounter();
    return this.#calls;
  }

  get branch(): Branch {
    this.#branch ??= new Branch(this.#id, 0);
    return this.#branch;
  }
}

class TimedRun implements StepRun {
  /** Rejects when the step's time limit is reached. */
  readonly over: Promise<never>;
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #onAbort = (): void => this.#controller.abort(this.#scope.context.signal.reason);

  readonly #scope: StepScope;

  constructor(scope: StepScope, timeoutMs: number) {
    this.#scope = scope;
    let reject!: (reason: Error) => void;
    this.over = new Promise<never>((_, onError) => (reject = onError));
    this.over.catch(() => {});
    this.#timer = setTimeout(() => {
      const reason = new DOMException(
        `step ${JSON.stringify(scope.name)} exceeded its time limit of ${timeoutMs} ms`,
        "TimeoutError",
      );
      this.#controller.abort(reason);
      reject(reason);
    }, timeoutMs);
    scope.context.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  get name(): string {
    return this.#scope.name;
  }

  get attempt(): number {
    return this.#scope.attempt;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#scope.context.signal.removeEventListener("abort", this.#onAbort);
  }
}
