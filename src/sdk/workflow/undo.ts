/**
 * Undoes the steps of a job that ended DEAD or CANCELLED: its handler was replayed to where it stood, and has told what
 * undoes each step. The last step is undone first; each undo is a step of the undo job, so that it runs once.
 */
import { type Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { UndoRun } from "../options/step-options.ts";
import { decodeValue, encodeValue } from "../serialization.ts";
import { byPlace, timeOf } from "../replay/checkpoint-journal.ts";
import { boundedName } from "../replay/checkpoint-names.ts";
import type { RunningHandler } from "./running-handler.ts";
import { runOnce } from "./step-run.ts";
import type { Undo } from "./undos.ts";

/** How long a handler may take to ask for a step that is on record but was never given to it; also a share of its time. */
const PATIENCE_MS = 5_000;
const PATIENCE_SHARE = 0.4;
const POLL_MS = 20;

/**
 * @param undone records of the job whose steps are undone
 * @param own records of the undo job
 * @returns names of the steps that are undone, in the order of their undoing
 * @throws what an undo threw, with the step's name before its message
 */
export async function undoSteps(
  host: RunningHandler,
  undone: readonly Checkpoint[],
  own: readonly Checkpoint[],
): Promise<readonly string[]> {
  const done = new Set(own.map(({ name }) => name));
  const steps = undone.filter(({ undo, error }) => undo && error === undefined).sort(byUndoing);
  for (const step of steps) {
    const label = boundedName(`undo ${step.name}`);
    if (!done.has(label)) await undoStep(host, step, label);
  }
  return steps.map(({ name }) => name);
}

async function undoStep(host: RunningHandler, step: Checkpoint, label: string): Promise<void> {
  const { execution } = host;
  const undo = await undoOf(host, step.name);
  if (undo === undefined) {
    return execution.mismatched(
      `the step ${JSON.stringify(step.name)} of job ${host.jobId} is to be undone, but its handler does not ask for it`,
    );
  }
  execution.check();
  const result = decodeValue(host.functionName, `step ${JSON.stringify(step.name)}`, step.value);
  const { jobId } = host;
  try {
    await runOnce(
      host,
      { id: step.op ?? 0, label },
      host.attempt,
      ({ attempt, signal }) => {
        const run: UndoRun = { jobId, name: step.name, attempt, signal };
        return undo(result, run);
      },
      undefined,
    );
  } catch (thrown) {
    throw named(step.name, thrown);
  }
  execution.check();
  await execution.recordInternal(label, {
    kind: CheckpointKind.STEP,
    value: encodeValue(host.functionName, label, null),
  });
}

/** A step that was recorded beside others may be asked for a little later than what was given to the handler. */
async function undoOf({ undos, timeLimitMs }: RunningHandler, stepName: string): Promise<Undo | undefined> {
  const patienceMs = Math.min(PATIENCE_MS, timeLimitMs * PATIENCE_SHARE);
  for (let waited = 0; waited < patienceMs && undos.find(stepName) === undefined; waited += POLL_MS) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return undos.find(stepName);
}

/** The same kind of error, so that a TerminalError is one. */
function named(stepName: string, thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown;
  const error = new Error(`undo of step ${JSON.stringify(stepName)}: ${thrown.message}`, { cause: thrown });
  error.name = thrown.name;
  return "retryAfterMs" in thrown ? Object.assign(error, { retryAfterMs: thrown.retryAfterMs }) : error;
}

/** Last first. What has no place was recorded when it was not given to the handler any more. */
function byUndoing(one: Checkpoint, other: Checkpoint): number {
  return timeOf(other) - timeOf(one) || byPlace(other, one);
}
