/** The first of several awaited things, recorded before the handler is told: every execution decides alike. */
import { CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import { boundedName } from "./checkpoint-journal.ts";
import { type Awaited as AwaitedThing, DurableWait, type WaitEnd } from "./durable-wait.ts";
import { ReseolioError } from "../errors.ts";
import type { Execution } from "./execution.ts";
import { jobWait } from "./job-wait.ts";
import { decodeValue, encodeValue } from "../serialization.ts";

/** @param label a name that was taken already; the awaited things are recorded under names made from it */
export async function decideFirst(
  execution: Execution,
  label: string,
  awaited: readonly AwaitedThing[],
): Promise<{ readonly index: number; readonly end: WaitEnd }> {
  const { journal, host } = execution;
  const choice = journal.find(label, CheckpointKind.CHOICE);
  if (choice !== undefined) {
    const index = Number(decodeValue(host.functionName, label, choice.value));
    const chosen = awaited[index];
    if (chosen === undefined) throw changed(execution, label, index, awaited.length);
    return { index, end: await open(execution, boundedName(`${label}[${index}]`), chosen).promise };
  }
  const waits = awaited.map((one, index) => open(execution, boundedName(`${label}[${index}]`), one));
  const first = await Promise.race(waits.map((wait, index) => wait.promise.then((end) => ({ index, end }))));
  for (const [index, wait] of waits.entries()) if (index !== first.index) execution.forget(wait);
  await execution.enter();
  try {
    const value = encodeValue(host.functionName, label, first.index);
    await execution.record({ name: label, kind: CheckpointKind.CHOICE, value });
  } finally {
    execution.leave();
  }
  return first;
}

/** A wait of its own name; one that is recorded is over already. */
function open(execution: Execution, name: string, awaited: AwaitedThing): DurableWait {
  if (awaited.kind === "job") return jobWait(execution, awaited.jobId);
  const kind = awaited.kind === "event" ? CheckpointKind.EVENT : CheckpointKind.SLEEP;
  const recorded = execution.journal.find(name, kind);
  const wait = new DurableWait(name, awaited, execution.clock);
  void execution.wait(wait);
  if (recorded !== undefined) {
    execution.satisfy(wait, awaited.kind === "event" ? { kind: "event", checkpoint: recorded } : { kind: "slept" });
  }
  return wait;
}

function changed({ host }: Execution, label: string, index: number, length: number): ReseolioError {
  return new ReseolioError(
    "checkpoint_conflict",
    `${host.functionName}: ${JSON.stringify(label)} awaits ${length} things now, but job ${host.jobId} recorded number ` +
      `${index} as the first: the code has changed under a running job; give what is new a name of its own`,
  );
}
