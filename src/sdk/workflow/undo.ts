/**
 * Undoes the steps of a job that ended DEAD or CANCELLED. Its handler was replayed as far as its records go and has
 * registered the undo of each step. The last step is undone first; each undo is a step of the undo job, so it runs
 * once.
 */
import { type Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { UndoRun } from "../options/step-options.ts";
import { byPlace, timeOf } from "../replay/checkpoint-journal.ts";
import { boundedName } from "../replay/checkpoint-names.ts";
import { decodeValue, encodeValue } from "../serialization.ts";
import type { RunningHandler } from "./running-handler.ts";
import { runOnce } from "./step-run.ts";
import type { Undo } from "./undos.ts";

/**
 * How long a handler may take to ask for a step that was recorded but never delivered; also limited to a share of its
 * time.
 */
const PATIENCE_MS = 5_000;
const PATIENCE_SHARE = 0.4;
const POLL_MS = 20;

/**
 * @param undone checkpoints of the job whose steps are undone
 * @param own checkpoints of the undo job
 * @returns names of the undone steps, in the order in which they were undone
 * @throws what an undo threw, with the step's name in front of its message
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
      `the step ${JSON.stringify(step.name)} of job ${host.jobId} has to be undone, but its handler does not ask for it`,
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

/** Waits for the undo: the handler may ask for a step that ran beside others a little later than for the rest. */
async function undoOf({ undos, timeLimitMs }: RunningHandler, stepName: string): Promise<Undo | undefined> {
  const patienceMs = Math.min(PATIENCE_MS, timeLimitMs * PATIENCE_SHARE);
  for (let waited = 0; waited < patienceMs && undos.find(stepName) === undefined; waited += POLL_MS) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return undos.find(stepName);
}

/** Keeps the name of the error, so that a TerminalError remains one. */
function named(stepName: string, thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown;
  const error = new Error(`undo of step ${JSON.stringify(stepName)}: ${thrown.message}`, { cause: thrown });
  error.name = thrown.name;
  return "retryAfterMs" in thrown ? Object.assign(error, { retryAfterMs: thrown.retryAfterMs }) : error;
}

/** Sorts the last step first, by time: steps without a place were recorded after the handler had ended. */
function byUndoing(one: Checkpoint, other: Checkpoint): number {
  return timeOf(other) - timeOf(one) || byPlace(other, one);
}
