import { CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import { awaitAny } from "./await-any.ts";
import { checkName } from "./checkpoint-journal.ts";
import { type AwaitEventOptions, type Context, currentScope } from "../context.ts";
import { derivedNumber, derivedUuid } from "./derived-values.ts";
import { ReseolioError } from "../errors.ts";
import type { EmittedEvent } from "../calls/event-directory.ts";
import type { Execution } from "./execution.ts";
import type { HandlerContext, HandlerPort } from "./handler-context.ts";
import { checkMs } from "../option-faults.ts";
import { decodeValue, encodeValue } from "../serialization.ts";
import { runStep } from "./step.ts";
import { awaitEvent, sleepFor, sleepUntil } from "./waiting.ts";

/** The durable part of a context. Its members need no `this`, so that handlers can take them out of it. */
export class Operations {
  constructor(
    private readonly host: HandlerContext,
    private readonly port: HandlerPort,
  ) {}

  readonly step: Context["step"] = (name, run, options) =>
    guarded(this.#begin("step", name, (execution) => runStep(this.host, execution, name, run, options ?? {})));

  readonly sleepFor: Context["sleepFor"] = (name, ms) =>
    guarded(
      this.#begin("sleepFor", name, (execution) =>
        sleepFor(execution, name, checkMs(`sleepFor ${JSON.stringify(name)}: ms`, ms)),
      ),
    );

  readonly sleepUntil: Context["sleepUntil"] = (name, at) =>
    guarded(this.#begin("sleepUntil", name, (execution) => sleepUntil(execution, name, at)));

  readonly awaitEvent = <Payload = unknown>(name: string, options: AwaitEventOptions = {}): Promise<Payload> =>
    // The payload is what some program emitted; the caller says what it expects.
    guarded(this.#begin("awaitEvent", name, (execution) => awaitEvent(execution, name, options)) as Promise<Payload>);

  readonly awaitAny: Context["awaitAny"] = (name, sources) =>
    guarded(this.#begin("awaitAny", name, (execution) => awaitAny(execution, name, sources)));

  readonly emitEvent = (name: string, payload?: unknown): Promise<EmittedEvent> => {
    const emit = async (): Promise<EmittedEvent> => {
      this.host.execution.check();
      const emitted = await this.host.execution.during(this.port.emitEvent(name, payload));
      if (emitted.created) await this.host.execution.pass(`event ${name}`);
      return emitted;
    };
    return guarded(emit());
  };

  readonly heartbeat = (ms: number): void => {
    this.host.execution.check();
    this.port.heartbeat(this.host, checkMs("heartbeat: ms", ms));
  };

  readonly now = (name = "now"): Promise<Date> =>
    guarded(this.#begin("now", name, (execution) => recordedNow(this.host, execution, name)));

  readonly random = (name = "random"): number => derivedNumber(this.host.jobId, this.#takeName("random", name));

  readonly uuid = (name = "uuid"): string => derivedUuid(this.host.jobId, this.#takeName("uuid", name));

  #takeName(operation: string, name: string): string {
    refuseInStep(operation, name);
    checkName(`the name of ${operation}`, name);
    return this.host.execution.journal.takeName(name);
  }

  async #begin<T>(operation: string, name: string, operate: (execution: Execution) => Promise<T>): Promise<T> {
    refuseInStep(operation, name);
    checkName(`the name of ${operation}`, name);
    const { execution } = this.host;
    execution.check();
    return operate(execution);
  }
}

async function recordedNow(host: HandlerContext, execution: Execution, name: string): Promise<Date> {
  const label = execution.journal.takeName(name);
  const recorded = execution.journal.find(label, CheckpointKind.VALUE);
  if (recorded !== undefined) return new Date(Number(decodeValue(host.functionName, label, recorded.value)));
  const now = execution.clock.now();
  await execution.enter();
  try {
    await execution.record({
      name: label,
      kind: CheckpointKind.VALUE,
      value: encodeValue(host.functionName, label, now),
    });
  } finally {
    execution.leave();
  }
  return new Date(now);
}

/** What a step does is not repeated: nothing inside it may be looked for in a later execution. */
export function refuseInStep(operation: string, name: string): void {
  const stepName = currentScope()?.stepName ?? null;
  if (stepName === null) return;
  throw new ReseolioError(
    "failed_precondition",
    `${operation} ${JSON.stringify(name)} was called inside the step ${JSON.stringify(stepName)}; ` +
      "a step is plain code that runs as a whole: call it before or after the step",
  );
}

/** A handler that unwinds leaves promises behind that nobody listens to; they must not end the process. */
export function guarded<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
