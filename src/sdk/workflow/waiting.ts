/** The waits of a handler. Each is recorded when it ends, and ends at once in every later execution. */
import { type Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { AwaitEventOptions, AwaitSignalOptions } from "../context.ts";
import { ReseolioError } from "../errors.ts";
import { checkMs, checkOptions, checkTime, show } from "../options/option-faults.ts";
import type { Operation } from "../replay/operation.ts";
import { decodeValue } from "../serialization.ts";
import type { Awaited as AwaitedThing, WaitEnd } from "./durable-wait.ts";
import type { Execution } from "./execution.ts";
import { EventTimeoutError, SignalTimeoutError } from "./workflow-errors.ts";

export async function sleepFor(execution: Execution, operation: Operation, ms: number): Promise<void> {
  await waitFor(execution, operation, { kind: "sleep_for", ms });
}

export async function sleepUntil(execution: Execution, operation: Operation, at: Date): Promise<void> {
  const time = checkTime(`sleepUntil ${JSON.stringify(operation.name)}: at`, at);
  await waitFor(execution, operation, { kind: "sleep_until", at: time });
}

/** Sleeps as part of another operation; the handler itself does not receive it. @param label unique within the job */
export async function pauseFor(execution: Execution, label: string, ms: number): Promise<void> {
  if (execution.journal.find(label) !== undefined) return;
  await execution.wait(execution.makeWait(label, { kind: "sleep_for", ms }, undefined));
}

export async function awaitEvent(
  execution: Execution,
  operation: Operation,
  eventName: string,
  options: AwaitEventOptions,
): Promise<unknown> {
  const what = `awaitEvent ${JSON.stringify(eventName)}:`;
  checkWaitOptions(what, options, ["timeoutMs", "since"]);
  const { since } = options;
  if (since !== undefined && since !== "start") {
    throw new ReseolioError("invalid_argument", `${what} since is ${show(since)}; use "start", or leave it out`);
  }
  const timeoutMs = timeoutOf(what, options);
  const sinceStart = since === "start";
  const record = await messageFor(execution, operation, { kind: "event", eventName, timeoutMs, sinceStart });
  if (record.timedOut) {
    throw execution.replay.failures.give(new EventTimeoutError(eventName, timeoutMs ?? 0), operation);
  }
  return decodeValue(execution.host.functionName, `event ${JSON.stringify(eventName)}`, record.value);
}

export async function awaitSignal(
  execution: Execution,
  operation: Operation,
  signalName: string,
  options: AwaitSignalOptions,
): Promise<unknown> {
  const what = `awaitSignal ${JSON.stringify(signalName)}:`;
  checkWaitOptions(what, options, ["timeoutMs"]);
  const timeoutMs = timeoutOf(what, options);
  const record = await messageFor(execution, operation, { kind: "signal", signalName, timeoutMs });
  if (record.timedOut) {
    throw execution.replay.failures.give(new SignalTimeoutError(signalName, timeoutMs ?? 0), operation);
  }
  return decodeValue(execution.host.functionName, `signal ${JSON.stringify(signalName)}`, record.value);
}

async function messageFor(execution: Execution, operation: Operation, awaited: AwaitedThing): Promise<Checkpoint> {
  const end = await waitFor(execution, operation, awaited);
  if (end.kind === "message") return end.checkpoint;
  throw new Error(`a wait for a message ended as ${end.kind}`);
}

async function waitFor(execution: Execution, operation: Operation, awaited: AwaitedThing): Promise<WaitEnd> {
  const record = await execution.recorded(operation);
  if (record === undefined) {
    return execution.wait(execution.makeWait(operation.label, awaited, operation));
  }
  return record.kind === CheckpointKind.SLEEP ? { kind: "slept" } : { kind: "message", checkpoint: record };
}

function checkWaitOptions(what: string, options: object, names: readonly string[]): void {
  checkOptions(options, what);
  for (const option of Object.keys(options)) {
    if (names.includes(option)) continue;
    const known = names.length === 1 ? `the option is ${names[0]}` : `options are ${names.join(" and ")}`;
    throw new ReseolioError("invalid_argument", `${what} option ${option} does not exist; ${known}`);
  }
}

function timeoutOf(what: string, { timeoutMs }: { readonly timeoutMs?: number }): number | undefined {
  return timeoutMs === undefined ? undefined : checkMs(`${what} timeoutMs`, timeoutMs);
}
