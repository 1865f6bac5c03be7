import { CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { EmittedEvent } from "../sent-messages.ts";
import type { AwaitEventOptions, AwaitSignalOptions, Context } from "../context.ts";
import { currentScope } from "../replay/scope.ts";
import { ReseolioError } from "../errors.ts";
import { checkMs } from "../options/option-faults.ts";
import { decodeValue, encodeValue } from "../serialization.ts";
import { checkStepOptions, type StepOptions } from "../options/step-options.ts";
import { awaitAny } from "./await-any.ts";
import { boundedName, checkName } from "../replay/checkpoint-names.ts";
import { derivedNumber, derivedUuid } from "./derived-values.ts";
import type { Execution } from "./execution.ts";
import type { HandlerPort } from "./execution-host.ts";
import type { RunningHandler } from "./running-handler.ts";
import type { Operation } from "../replay/operation.ts";
import { checkRun, runStep } from "./step.ts";
import { awaitEvent, awaitSignal, sleepFor, sleepUntil } from "./waiting.ts";

const NO_OPTIONS = Object.freeze({});

/** The durable part of a context. Its members need no `this`, so that handlers can take them out of it. */
export class Operations {
  constructor(
    private readonly host: RunningHandler,
    private readonly port: Pick<HandlerPort, "emitEvent" | "heartbeat">,
  ) {}

  readonly step: Context["step"] = (name, run, options = NO_OPTIONS) =>
    this.#begin("step", name, CheckpointKind.STEP, (execution, operation) => {
      checkRun(name, run);
      if (options !== NO_OPTIONS) checkStepOptions(name, options);
      // Its result is what the step recorded.
      if (options.undo !== undefined) this.host.undos.add(operation, options as StepOptions);
      return runStep(this.host, execution, operation, { run, options: options as StepOptions });
    });

  readonly sleepFor: Context["sleepFor"] = (name, ms) =>
    this.#begin("sleepFor", name, CheckpointKind.SLEEP, (execution, operation) =>
      sleepFor(execution, operation, checkMs(`sleepFor ${JSON.stringify(name)}: ms`, ms)),
    );

  readonly sleepUntil: Context["sleepUntil"] = (name, at) =>
    this.#begin("sleepUntil", name, CheckpointKind.SLEEP, (execution, operation) =>
      sleepUntil(execution, operation, at),
    );

  readonly awaitEvent = <Payload = unknown>(name: string, options: AwaitEventOptions = {}): Promise<Payload> =>
    // The payload is what some program emitted; the caller says what it expects.
    this.#begin("awaitEvent", name, CheckpointKind.EVENT, (execution, operation) =>
      awaitEvent(execution, operation, name, options),
    ) as Promise<Payload>;

  readonly awaitSignal = <Payload = unknown>(name: string, options: AwaitSignalOptions = {}): Promise<Payload> =>
    // The payload is what some program sent; the caller says what it expects.
    this.#begin("awaitSignal", name, CheckpointKind.SIGNAL, (execution, operation) =>
      awaitSignal(execution, operation, name, options),
    ) as Promise<Payload>;

  readonly awaitAny: Context["awaitAny"] = (name, sources) =>
    this.#begin("awaitAny", name, CheckpointKind.CHOICE, (execution, operation) =>
      awaitAny(execution, operation, sources),
    );

  /** In a step it is a part of what the step does; elsewhere its answer is recorded, as a repeated event has another one. */
  readonly emitEvent = (name: string, payload?: unknown): Promise<EmittedEvent> => {
    const emit = async (): Promise<EmittedEvent> => {
      const emitted = await this.host.execution.during(this.port.emitEvent(name, payload));
      if (emitted.created) await this.host.execution.crashPoint(`event ${name}`);
      return emitted;
    };
    if (isInStep()) return guarded(emit());
    return this.#begin(
      "emitEvent",
      boundedName(`emit:${String(name)}`),
      CheckpointKind.VALUE,
      (execution, operation) =>
        execution.replay.isOrdered ? recordedValue(this.host, execution, operation, emit) : emit(),
    );
  };

  readonly heartbeat = (ms: number): void => {
    this.host.execution.check();
    this.port.heartbeat(this.host, checkMs("heartbeat: ms", ms));
  };

  readonly now = async (name = "now"): Promise<Date> => {
    const time = this.#begin("now", name, CheckpointKind.VALUE, (execution, operation) =>
      recordedValue(this.host, execution, operation, () => execution.clock.now()),
    );
    return new Date(Number(await guarded(time)));
  };

  readonly random = (name = "random"): number => derivedNumber(this.host.jobId, this.#takeName("random", name));

  readonly uuid = (name = "uuid"): string => derivedUuid(this.host.jobId, this.#takeName("uuid", name));

  /** The same in every execution: by what led to here, and the number of its use there. */
  #takeName(what: string, name: string): string {
    refuseInStep(what, name);
    checkName(`the name of ${what}`, name);
    const { replay } = this.host.execution;
    if (!replay.isOrdered) return replay.journal.takeName(name);
    return replay.identities.nameHere(what, name);
  }

  /** Everything until the operation is asked for happens in the caller's turn. */
  #begin<T>(
    what: string,
    name: string,
    kind: CheckpointKind,
    operate: (execution: Execution, operation: Operation) => Promise<T>,
  ): Promise<T> {
    const { execution } = this.host;
    try {
      refuseInStep(what, name);
      checkName(`the name of ${what}`, name);
      execution.check();
    } catch (error) {
      return guarded(Promise.reject(error as Error));
    }
    const { replay } = execution;
    const operation = replay.ask(name, kind);
    let operating: Promise<T>;
    try {
      operating = operate(execution, operation);
    } catch (error) {
      operating = Promise.reject(error as Error);
    }
    // First in line: the handler goes on behind it. It also takes what rejects without anybody who listens.
    operating.then(replay.settled, replay.settled);
    return execution.isWatched ? watched(execution, operation, operating) : operating;
  }
}

/** Tells a test what the handler is given. */
function watched<T>(execution: Execution, operation: Operation, operating: Promise<T>): Promise<T> {
  operating.then(
    (value) => execution.observe(operation, JSON.stringify(value) ?? "nothing"),
    (error: unknown) =>
      execution.observe(operation, error instanceof Error ? `${error.name}: ${error.message}` : "no error"),
  );
  return operating;
}

/** Made once, and the same in every execution. */
async function recordedValue<T>(
  { functionName }: RunningHandler,
  execution: Execution,
  operation: Operation,
  make: () => T | Promise<T>,
): Promise<T> {
  const { label } = operation;
  const record = await execution.recorded(operation);
  // What was recorded is what `make` gave, after its trip through JSON.
  if (record !== undefined) return decodeValue(functionName, label, record.value) as T;
  const entering = execution.enter();
  if (entering !== undefined) await entering;
  try {
    const value = await make();
    await execution.record(operation, { kind: CheckpointKind.VALUE, value: encodeValue(functionName, label, value) });
    return value;
  } finally {
    execution.leave();
  }
}

function isInStep(): boolean {
  return (currentScope()?.stepName ?? null) !== null;
}

/** What a step does is not repeated: nothing inside it may be looked for in a later execution. */
export function refuseInStep(what: string, name: string): void {
  const stepName = currentScope()?.stepName ?? null;
  if (stepName === null) return;
  throw new ReseolioError(
    "failed_precondition",
    `${what} ${JSON.stringify(name)} was called inside the step ${JSON.stringify(stepName)}; ` +
      "a step is plain code that runs as a whole: call it before or after the step",
  );
}

/** A handler that unwinds leaves promises behind that nobody listens to; they must not end the process. */
export function guarded<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
