/** Runs a step once: in the first execution that gets so far. Later ones read what was recorded. */
import { type Checkpoint, CheckpointKind, type JobError } from "#proto/gen/reseolio/v1/job_pb.ts";
import { boundedName } from "./checkpoint-journal.ts";
import { CallCounter } from "./child-calls.ts";
import { type HandlerScope, runInScope, type StepRun } from "../context.ts";
import { ReseolioError } from "../errors.ts";
import type { Execution } from "./execution.ts";
import { failureOf } from "../worker/failure.ts";
import type { HandlerContext } from "./handler-context.ts";
import type { JobResult } from "../serialized.ts";
import { decodeValue, encodeValue } from "../serialization.ts";
import { show } from "../option-faults.ts";
import { checkStepOptions, stepDelayMs, type StepOptions } from "../step-options.ts";
import { sleep } from "./waiting.ts";
import { StepFailedError } from "./workflow-errors.ts";

/** From here on a delay is a durable sleep, without a slot. */
const PARKED_DELAY_MS = 1_000;

export async function runStep<T>(
  host: HandlerContext,
  execution: Execution,
  name: string,
  run: (step: StepRun) => T,
  options: StepOptions,
): Promise<JobResult<Awaited<T>>> {
  if (typeof run !== "function") {
    const message = `step ${JSON.stringify(name)}: what it runs is ${show(run)}; give a function`;
    throw new ReseolioError("invalid_argument", message);
  }
  checkStepOptions(name, options);
  const label = execution.journal.takeName(name);
  const recorded = execution.journal.find(label, CheckpointKind.STEP);
  if (recorded !== undefined && isStillTrue(recorded, host.failures)) return replay(host, label, recorded);
  await execution.enter();
  try {
    const value = await tryStep(host, execution, label, run, options);
    const bytes = encodeValue(host.functionName, `step ${JSON.stringify(label)}`, value);
    execution.check();
    await execution.record({ name: label, kind: CheckpointKind.STEP, value: bytes });
    // As it will read in every later execution; the type is the step's own after its trip through JSON.
    return asRecorded(host, label, value, bytes) as JobResult<Awaited<T>>;
  } finally {
    execution.leave();
  }
}

/** An error counts until an attempt of the job has failed: the next one tries the step again. */
function isStillTrue(recorded: Checkpoint, failures: number): boolean {
  return recorded.error === undefined || recorded.failures === failures;
}

function replay<T>(host: HandlerContext, label: string, { error, value }: Checkpoint): T {
  if (error !== undefined) throw failedError(label, error);
  return decodeValue(host.functionName, `step ${JSON.stringify(label)}`, value) as T;
}

/** Primitive values need no trip through JSON to read as they are recorded. */
function asRecorded(host: HandlerContext, label: string, value: unknown, bytes: Uint8Array): unknown {
  if (value === undefined || value === null) return null;
  if (typeof value === "string" || typeof value === "boolean") return value;
  return decodeValue(host.functionName, `step ${JSON.stringify(label)}`, bytes);
}

async function tryStep<T>(
  host: HandlerContext,
  execution: Execution,
  label: string,
  run: (step: StepRun) => T,
  options: StepOptions,
): Promise<Awaited<T>> {
  for (let attempt = 1 + pausesOf(execution, label); ; attempt++) {
    try {
      return await runOnce(host, label, attempt, run, options.timeoutMs);
    } catch (thrown) {
      execution.check();
      if (options.maxAttempts === undefined) throw thrown;
      const { error, terminal, retryAfterMs } = failureOf(thrown);
      if (terminal || attempt >= options.maxAttempts) throw await recordFailure(execution, label, error);
      const delay = retryAfterMs === undefined ? stepDelayMs(options, attempt, Math.random()) : Number(retryAfterMs);
      await pause(host, execution, pauseName(execution, label, attempt), delay);
    }
  }
}

async function recordFailure(execution: Execution, label: string, error: JobError | undefined): Promise<Error> {
  const known = error ?? NO_ERROR;
  await execution.record({ name: label, kind: CheckpointKind.STEP, value: NO_BYTES, error: known });
  return failedError(label, known);
}

function failedError(label: string, { name, message, stack }: JobError): StepFailedError {
  const cause = new Error(message);
  cause.name = name;
  if (stack !== "") cause.stack = stack;
  return new StepFailedError(label, cause);
}

/** Long pauses are recorded, so that a crash does not start the attempts over. */
function pausesOf({ journal, host }: Execution, label: string): number {
  let count = 0;
  while (journal.find(pauseName({ host }, label, count + 1), CheckpointKind.SLEEP) !== undefined) count++;
  return count;
}

function pauseName({ host }: Pick<Execution, "host">, label: string, attempt: number): string {
  return boundedName(`${label}/retry-${attempt}${host.failures === 0 ? "" : `~${host.failures}`}`);
}

async function pause(host: HandlerContext, execution: Execution, name: string, ms: number): Promise<void> {
  if (ms < PARKED_DELAY_MS) return delayed(ms, host.signal);
  execution.leave();
  try {
    await sleep(execution, name, ms);
  } finally {
    // The caller leaves once more, whether the sleep ended or the handler's time.
    execution.rejoin();
  }
}

function delayed(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}

async function runOnce<T>(
  host: HandlerContext,
  label: string,
  attempt: number,
  run: (step: StepRun) => T,
  timeoutMs: number | undefined,
): Promise<Awaited<T>> {
  const scope: HandlerScope = { context: host, stepName: label, calls: new CallCounter() };
  if (timeoutMs === undefined) {
    return (await runInScope(scope, run as () => unknown, [new UntimedRun(host, label, attempt)])) as Awaited<T>;
  }
  const clock = new TimedRun(host, label, attempt, timeoutMs);
  try {
    const running = runInScope(scope, run as () => unknown, [clock]);
    return (await Promise.race([running, clock.over])) as Awaited<T>;
  } finally {
    clock.stop();
  }
}

/** Its signal is the handler's, made only when it is asked for. */
class UntimedRun implements StepRun {
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

const NO_BYTES = new Uint8Array(0);
const NO_ERROR: JobError = { $typeName: "reseolio.v1.JobError", name: "Error", message: "", stack: "", reason: "" };
