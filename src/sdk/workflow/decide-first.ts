/** The first of several awaited things, recorded before the handler is told: every execution decides alike. */
import { type Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import { decodeValue, encodeValue } from "../serialization.ts";
import { operationId } from "../replay/branch.ts";
import { boundedName } from "../replay/checkpoint-names.ts";
import type { Awaited as AwaitedThing, DurableWait, WaitEnd } from "./durable-wait.ts";
import type { Execution } from "./execution.ts";
import { jobWait } from "./job-wait.ts";
import { failedEnd } from "./open-waits.ts";
import type { Operation } from "../replay/operation.ts";

/** What came first, and its place in the list. */
export interface First {
  readonly index: number;
  readonly end: WaitEnd;
}

/**
 * @param operation the awaited things are recorded under names made from its label
 * @param again what the names end with where the operation is tried again, so that what is over does not count
 */
export async function decideFirst(
  execution: Execution,
  operation: Operation,
  awaited: readonly AwaitedThing[],
  again = "",
): Promise<First> {
  const recorded = new RecordedFirst(execution, operation, awaited);
  const choice = await execution.recorded(operation, (record) => recorded.of(record));
  if (choice !== undefined) return recorded.of(choice);
  const { label } = operation;
  const waits = awaited.map((one, index) =>
    open(execution, sourceName(execution, operation, { index, of: sourceOf(one), again }), one),
  );
  const first = await Promise.race(waits.map((wait, index) => wait.promise.then((end) => ({ index, end }))));
  for (const [index, wait] of waits.entries()) if (index !== first.index) execution.forget(wait);
  const entering = execution.enter();
  if (entering !== undefined) await entering;
  try {
    const chosen = awaited[first.index];
    const isNamed = execution.replay.isOrdered && chosen !== undefined;
    const choice = isNamed ? { index: first.index, of: sourceOf(chosen) } : first.index;
    const value = encodeValue(execution.host.functionName, label, choice);
    const error = first.end.kind === "job" ? first.end.job.error : undefined;
    await execution.record(operation, { kind: CheckpointKind.CHOICE, value, ...(error !== undefined && { error }) });
  } finally {
    execution.leave();
  }
  return first;
}

/** What was chosen is over. The result of a job is still with that job: it is here before the handler is told. */
class RecordedFirst {
  #first: Promise<First> | undefined;

  constructor(
    private readonly execution: Execution,
    private readonly operation: Operation,
    private readonly awaited: readonly AwaitedThing[],
  ) {}

  of(choice: Checkpoint): Promise<First> {
    this.#first ??= this.#find(choice);
    return this.#first;
  }

  async #find(choice: Checkpoint): Promise<First> {
    const { execution, awaited } = this;
    const { label } = this.operation;
    const { index, of } = choiceFrom(decodeValue(execution.host.functionName, label, choice.value));
    const chosen = awaited[index];
    if (chosen === undefined) {
      return execution.mismatched(
        `${JSON.stringify(label)} awaits ${awaited.length} things now, but number ${index} is on record as the first`,
      );
    }
    if (of !== undefined && of !== sourceOf(chosen)) {
      return execution.mismatched(
        `number ${index} of ${JSON.stringify(label)} is ${said(sourceOf(chosen))} now, but ${said(of)} is on record as the first`,
      );
    }
    const failed = chosen.kind === "job" ? failedEnd(chosen.jobId, choice) : undefined;
    return {
      index,
      end:
        failed ??
        (await open(execution, sourceName(execution, this.operation, { index, of: sourceOf(chosen) }), chosen).promise),
    };
  }
}

/** What is awaited, to be compared with what changed code awaits in its place. A sleep may have another length. */
function sourceOf(awaited: AwaitedThing): string {
  switch (awaited.kind) {
    case "event":
      return `event ${awaited.eventName}`;
    case "signal":
      return `signal ${awaited.signalName}`;
    case "job":
      return `job ${awaited.jobId}`;
    case "sleep_for":
    case "sleep_until":
      return "sleep";
  }
}

function said(source: string): string {
  const space = source.indexOf(" ");
  return space < 0 ? `a ${source}` : `the ${source.slice(0, space)} ${JSON.stringify(source.slice(space + 1))}`;
}

/** A job that keeps no order has the index alone on record. */
function choiceFrom(value: unknown): { readonly index: number; readonly of?: string } {
  return typeof value === "object" && value !== null
    ? (value as { index: number; of: string })
    : { index: Number(value) };
}

interface Source {
  readonly index: number;
  readonly of: string;
  /** Behind the name, where the operation is tried again. */
  readonly again?: string;
}

/**
 * In a job that keeps the order the name is made from the identity and from what is awaited: the label depends on which of
 * several operations of one name is asked for first, a sleep that is registered goes on under its name, and what changed
 * code awaits in the place of another source is another wait.
 */
function sourceName(execution: Execution, { id, label, name }: Operation, { index, of, again = "" }: Source): string {
  if (!execution.replay.isOrdered) return boundedName(`${label}[${index}]`);
  const identity = of === "sleep" ? id : operationId(id, CheckpointKind.CHOICE, of, 1);
  return boundedName(`${boundedName(name)}@${identity.toString(36)}[${index}]${again}`);
}

/** A wait of its own name; one that is recorded is over already. */
function open(execution: Execution, name: string, awaited: AwaitedThing): DurableWait {
  // A job that keeps no order has one wait for all who await the same job.
  if (awaited.kind === "job") {
    return jobWait(execution, awaited.jobId, execution.replay.isOrdered ? name : `job:${awaited.jobId}`, undefined);
  }
  const recorded = execution.journal.find(name);
  const wait = execution.makeWait(name, awaited, undefined);
  void execution.wait(wait);
  if (recorded !== undefined) {
    const isSleep = recorded.kind === CheckpointKind.SLEEP;
    execution.satisfy(wait, isSleep ? { kind: "slept" } : { kind: "message", checkpoint: recorded });
  }
  return wait;
}
