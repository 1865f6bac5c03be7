/** Waits for the first of several sources and records it before the handler gets it, so that every execution agrees. */
import { type Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import { boundedName } from "../replay/checkpoint-names.ts";
import type { Operation } from "../replay/operation.ts";
import { operationId } from "../replay/scope.ts";
import { decodeValue, encodeValue } from "../serialization.ts";
import type { Awaited as AwaitedThing, DurableWait, WaitEnd } from "./durable-wait.ts";
import type { Execution } from "./execution.ts";
import { jobWait } from "./job-wait.ts";
import { failedEnd } from "./open-waits.ts";

/** The source that came first: its index in the list, and how it ended. */
export interface First {
  readonly index: number;
  readonly end: WaitEnd;
}

/**
 * @param operation the waits are recorded under names derived from its label
 * @param again suffix of the names when the operation is tried again, so that earlier waits do not count
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

/** A recorded choice. The result of a chosen job is stored with that job, and fetched before the handler gets it. */
class RecordedFirst {
  #first: Promise<First> | undefined;

  readonly #execution: Execution;
  readonly #operation: Operation;
  readonly #awaited: readonly AwaitedThing[];

  constructor(execution: Execution, operation: Operation, awaited: readonly AwaitedThing[]) {
    this.#execution = execution;
    this.#operation = operation;
    this.#awaited = awaited;
  }

  of(choice: Checkpoint): Promise<First> {
    this.#first ??= this.#find(choice);
    return this.#first;
  }

  async #find(choice: Checkpoint): Promise<First> {
    const [execution, awaited] = [this.#execution, this.#awaited];
    const { label } = this.#operation;
    const { index, of } = choiceFrom(decodeValue(execution.host.functionName, label, choice.value));
    const chosen = awaited[index];
    if (chosen === undefined) {
      return execution.mismatched(
        `${JSON.stringify(label)} now awaits ${awaited.length} sources, but source ${index} was recorded as the first`,
      );
    }
    if (of !== undefined && of !== sourceOf(chosen)) {
      return execution.mismatched(
        `source ${index} of ${JSON.stringify(label)} is now ${describeSource(sourceOf(chosen))}, but ${describeSource(of)} was recorded as the first`,
      );
    }
    const failed = chosen.kind === "job" ? failedEnd(chosen.jobId, choice) : undefined;
    return {
      index,
      end:
        failed ??
        (await open(execution, sourceName(execution, this.#operation, { index, of: sourceOf(chosen) }), chosen)
          .promise),
    };
  }
}

/**
 * Identifies a source, to detect that changed code awaits another one at its index. The duration of a sleep may change.
 */
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

function describeSource(source: string): string {
  const space = source.indexOf(" ");
  return space < 0 ? `a ${source}` : `the ${source.slice(0, space)} ${JSON.stringify(source.slice(space + 1))}`;
}

/** A job without a recorded order has only the index on record. */
function choiceFrom(value: unknown): { readonly index: number; readonly of?: string } {
  return typeof value === "object" && value !== null
    ? (value as { index: number; of: string })
    : { index: Number(value) };
}

interface Source {
  readonly index: number;
  readonly of: string;
  /** Suffix of the name when the operation is tried again. */
  readonly again?: string;
}

/**
 * The name of the wait for a source. With a recorded order it is made from the operation's identity, as the label
 * depends on which of several operations of one name is asked for first, and from the source: a registered sleep
 * continues under its name, and another source that changed code awaits at the same index is another wait.
 */
function sourceName(execution: Execution, { id, label, name }: Operation, { index, of, again = "" }: Source): string {
  if (!execution.replay.isOrdered) return boundedName(`${label}[${index}]`);
  const identity = of === "sleep" ? id : operationId(id, CheckpointKind.CHOICE, of, 1);
  return boundedName(`${boundedName(name)}@${identity.toString(36)}[${index}]${again}`);
}

/** Opens a wait with its own name; if it was recorded, it is already over. */
function open(execution: Execution, name: string, awaited: AwaitedThing): DurableWait {
  // Without a recorded order, all waits for the same job share one.
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
