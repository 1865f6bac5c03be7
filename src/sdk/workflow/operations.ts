import { CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { AwaitEventOptions, AwaitSignalOptions, Context } from "../context.ts";
import { ReseolioError } from "../errors.ts";
import { checkMs } from "../options/option-faults.ts";
import { checkStepOptions, type StepOptions } from "../options/step-options.ts";
import { boundedName, checkName } from "../replay/checkpoint-names.ts";
import type { Operation } from "../replay/operation.ts";
import { currentScope } from "../replay/scope.ts";
import type { EmittedEvent } from "../sent-messages.ts";
import { decodeValue, encodeValue } from "../serialization.ts";
import { awaitAny } from "./await-any.ts";
import { derivedNumber, derivedUuid } from "./derived-values.ts";
import type { HandlerPort } from "./execution-host.ts";
import type { Execution } from "./execution.ts";
import type { RunningHandler } from "./running-handler.ts";
import { checkRun, runStep } from "./step.ts";
import { awaitEvent, awaitSignal, sleepFor, sleepUntil } from "./waiting.ts";

const NO_OPTIONS = Object.freeze({});

/** The durable operations of a context. They do not use `this`, so that handlers can destructure the context. */
export class Operations {
  readonly #host: RunningHandler;
  readonly #port: Pick<HandlerPort, "emitEvent" | "heartbeat">;

  constructor(host: RunningHandler, port: Pick<HandlerPort, "emitEvent" | "heartbeat">) {
    this.#host = host;
    this.#port = port;
  }

  readonly step: Context["step"] = (name, run, options = NO_OPTIONS) =>
    this.#begin("step", name, CheckpointKind.STEP, (execution, operation) => {
      checkRun(name, run);
      if (options !== NO_OPTIONS) checkStepOptions(name, options);
      // The undo receives the result as the step recorded it.
      if (options.undo !== undefined) this.#host.undos.add(operation, options as StepOptions);
      return runStep(this.#host, execution, operation, { run, options: options as StepOptions });
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
    // The payload comes from some other program; the caller states its type.
    this.#begin("awaitEvent", name, CheckpointKind.EVENT, (execution, operation) =>
      awaitEvent(execution, operation, name, options),
    ) as Promise<Payload>;

  readonly awaitSignal = <Payload = unknown>(name: string, options: AwaitSignalOptions = {}): Promise<Payload> =>
    // The payload comes from some other program; the caller states its type.
    this.#begin("awaitSignal", name, CheckpointKind.SIGNAL, (execution, operation) =>
      awaitSignal(execution, operation, name, options),
    ) as Promise<Payload>;

  readonly awaitAny: Context["awaitAny"] = (name, sources) =>
    this.#begin("awaitAny", name, CheckpointKind.CHOICE, (execution, operation) =>
      awaitAny(execution, operation, sources),
    );

  /**
   * In a step it is part of the step. Elsewhere its answer is recorded, as emitting the event again returns another
   * one.
   */
  readonly emitEvent = (name: string, payload?: unknown): Promise<EmittedEvent> => {
    const emit = async (): Promise<EmittedEvent> => {
      const emitted = await this.#host.execution.during(this.#port.emitEvent(name, payload));
      if (emitted.created) await this.#host.execution.crashPoint(`event ${name}`);
      return emitted;
    };
    if (isInStep()) return guarded(emit());
    return this.#begin(
      "emitEvent",
      boundedName(`emit:${String(name)}`),
      CheckpointKind.VALUE,
      (execution, operation) =>
        execution.replay.isOrdered ? recordedValue(this.#host, execution, operation, emit) : emit(),
    );
  };

  readonly heartbeat = (ms: number): void => {
    this.#host.execution.check();
    this.#port.heartbeat(this.#host, checkMs("heartbeat: ms", ms));
  };

  readonly now = async (name = "now"): Promise<Date> => {
    const time = this.#begin("now", name, CheckpointKind.VALUE, (execution, operation) =>
      recordedValue(this.#host, execution, operation, () => execution.clock.now()),
    );
    return new Date(Number(await guarded(time)));
  };

  readonly random = (name = "random"): number => derivedNumber(this.#host.jobId, this.#takeName("random", name));

  readonly uuid = (name = "uuid"): string => derivedUuid(this.#host.jobId, this.#takeName("uuid", name));

  /** A name that is the same in every execution: derived from what led here and the count of its uses. */
  #takeName(what: string, name: string): string {
    refuseInStep(what, name);
    checkName(`the name of ${what}`, name);
    const { replay } = this.#host.execution;
    if (!replay.isOrdered) return replay.journal.takeName(name);
    return replay.identities.nameHere(what, name);
  }

  /** Asks for the operation synchronously, in the caller's turn. */
  #begin<T>(
    what: string,
    name: string,
    kind: CheckpointKind,
    operate: (execution: Execution, operation: Operation) => Promise<T>,
  ): Promise<T> {
    const { execution } = this.#host;
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
    // Attached first, so that it runs before the handler continues. It also handles rejections that nobody listens to.
    operating.then(replay.settled, replay.settled);
    return execution.isWatched ? watched(execution, operation, operating) : operating;
  }
}

/** Reports to the testing kit what the handler receives. */
function watched<T>(execution: Execution, operation: Operation, operating: Promise<T>): Promise<T> {
  operating.then(
    (value) => execution.observe(operation, JSON.stringify(value) ?? "nothing"),
    (error: unknown) =>
      execution.observe(operation, error instanceof Error ? `${error.name}: ${error.message}` : "no error"),
  );
  return operating;
}

/** Makes a value once; later executions return the recorded one. */
async function recordedValue<T>(
  { functionName }: RunningHandler,
  execution: Execution,
  operation: Operation,
  make: () => T | Promise<T>,
): Promise<T> {
  const { label } = operation;
  const record = await execution.recorded(operation);
  // The record holds what `make` returned, after a trip through JSON.
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

/** Refuses durable operations in a step: its code is not replayed, so their records would never be found. */
export function refuseInStep(what: string, name: string): void {
  const stepName = currentScope()?.stepName ?? null;
  if (stepName === null) return;
  throw new ReseolioError(
    "failed_precondition",
    `${what} ${JSON.stringify(name)} was called inside the step ${JSON.stringify(stepName)}; ` +
      "a step is plain code that runs as a whole; call it before or after the step",
  );
}

/** A handler that unwinds leaves promises without listeners; their rejections must not end the process. */
function guarded<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
