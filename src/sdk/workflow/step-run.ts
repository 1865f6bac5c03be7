import { type HandlerScope, runInScope, type StepRun } from "../context.ts";
import { Branch } from "../replay/branch.ts";
import { CallCounter } from "./child-calls.ts";
import type { HandlerContext } from "./handler-context.ts";
import type { Operation } from "../replay/operation.ts";

/**
 * Runs the code of a step once, in a scope of its own. Gives what the code returns, a promise or not, and throws what it
 * throws.
 */
export function runOnce<T>(
  host: HandlerContext,
  operation: Pick<Operation, "id" | "label">,
  attempt: number,
  run: (step: StepRun) => T,
  timeoutMs: number | undefined,
): T | Promise<Awaited<T>> {
  const { label } = operation;
  const scope = { context: host, stepName: label, calls: new CallCounter(), branch: new Branch(operation.id, 0) };
  if (timeoutMs !== undefined) return runTimed(scope, run, new TimedRun(host, label, attempt, timeoutMs));
  return runInScope(scope, run as () => unknown, [new UntimedRun(host, label, attempt)]) as T;
}

async function runTimed<T>(scope: HandlerScope, run: (step: StepRun) => T, clock: TimedRun): Promise<Awaited<T>> {
  try {
    const running = runInScope(scope, run as () => unknown, [clock]);
    return (await Promise.race([running, clock.over])) as Awaited<T>;
  } finally {
    clock.stop();
  }
}

/** Its signal is the handler's, made only when it is asked for. */
export class UntimedRun implements StepRun {
  constructor(
    private readonly host: HandlerContext,
    readonly name: string,
    readonly attempt: number,
  ) {}

  get signal(): AbortSignal {
    return this.host.signal;
  }
}

class TimedRun implements StepRun {
  /** Rejects at the end of the step's time. */
  readonly over: Promise<never>;
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #onAbort = (): void => this.#controller.abort(this.host.signal.reason);

  constructor(
    private readonly host: HandlerContext,
    readonly name: string,
    readonly attempt: number,
    timeoutMs: number,
  ) {
    let reject!: (reason: Error) => void;
    this.over = new Promise<never>((_, onError) => (reject = onError));
    this.over.catch(() => {});
    this.#timer = setTimeout(() => {
      const reason = new DOMException(
        `step ${JSON.stringify(name)} ran longer than its ${timeoutMs} ms`,
        "TimeoutError",
      );
      this.#controller.abort(reason);
      reject(reason);
    }, timeoutMs);
    host.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.host.signal.removeEventListener("abort", this.#onAbort);
  }
}
