/** Runs a step in the first execution that reaches it. Later executions read its record. */
import { NO_BYTES } from "#proto/contract.ts";
import { type Checkpoint, CheckpointKind, type JobError } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { StepRun } from "../context.ts";
import { ReseolioError } from "../errors.ts";
import { show } from "../options/option-faults.ts";
import type { StepOptions } from "../options/step-options.ts";
import type { Operation } from "../replay/operation.ts";
import { decodeValue, encodeValue } from "../serialization.ts";
import type { JobResult } from "../serialized.ts";
import type { Execution } from "./execution.ts";
import { failureOf } from "./failure.ts";
import type { RunningHandler } from "./running-handler.ts";
import { errorOf, membersOf } from "./step-failure.ts";
import { runOnce } from "./step-run.ts";
import { StepTries } from "./step-tries.ts";
import { StepFailedError } from "./workflow-errors.ts";

/** The code of a step, with its options. */
export interface StepWork<T> {
  readonly run: (step: StepRun) => T;
  /** Already checked. */
  readonly options: StepOptions;
}

/** @throws ReseolioError `invalid_argument` */
export function checkRun(name: string, run: unknown): void {
  if (typeof run === "function") return;
  const message = `step ${JSON.stringify(name)}: its code is ${show(run)}; pass a function`;
  throw new ReseolioError("invalid_argument", message);
}

export async function runStep<T>(
  host: RunningHandler,
  execution: Execution,
  operation: Operation,
  work: StepWork<T>,
): Promise<JobResult<Awaited<T>>> {
  const waiting = execution.recorded(operation);
  const recorded = waiting === undefined ? undefined : await waiting;
  if (recorded !== undefined && isStillTrue(execution, recorded)) {
    return replayed(host, execution, operation, work, recorded) as JobResult<Awaited<T>>;
  }
  const entering = execution.enter();
  if (entering !== undefined) await entering;
  execution.steps.add(operation);
  try {
    const { value, bytes } = await tryStep(host, execution, operation, work);
    if (!execution.isEnding) execution.check();
    await execution.record(operation, {
      kind: CheckpointKind.STEP,
      value: bytes,
      undo: work.options.undo !== undefined,
    });
    // As every later execution will read it; the type is the step's own after a trip through JSON.
    return asRecorded(host, operation.label, value, bytes) as JobResult<Awaited<T>>;
  } finally {
    execution.steps.delete(operation);
    execution.leave();
  }
}

/**
 * Without a recorded order an error counts only until an attempt of the job fails: the next one runs the step again.
 */
function isStillTrue({ replay, host }: Execution, { error, failures }: Checkpoint): boolean {
  return replay.isOrdered || error === undefined || failures === host.failures;
}

function replayed(
  host: RunningHandler,
  execution: Execution,
  operation: Operation,
  { options }: StepWork<unknown>,
  { error, value }: Checkpoint,
): unknown {
  const { label } = operation;
  if (error === undefined) return decodeValue(host.functionName, `step ${JSON.stringify(label)}`, value);
  throw execution.replay.failures.give(failureFor(label, error, value, options), operation);
}

/** Primitive values read as recorded without a trip through JSON. */
function asRecorded(host: RunningHandler, label: string, value: unknown, bytes: Uint8Array): unknown {
  if (value === undefined || value === null) return null;
  if (typeof value === "string" || typeof value === "boolean") return value;
  return decodeValue(host.functionName, `step ${JSON.stringify(label)}`, bytes);
}

interface Tried {
  readonly value: unknown;
  /** The recorded form of the value. */
  readonly bytes: Uint8Array;
}

async function tryStep<T>(
  host: RunningHandler,
  execution: Execution,
  operation: Operation,
  { run, options }: StepWork<T>,
): Promise<Tried> {
  const { label } = operation;
  const tries = options.maxAttempts === undefined ? undefined : new StepTries(host, execution, operation, options);
  for (let attempt = tries === undefined ? 1 : await tries.first(); ; attempt++) {
    try {
      const value = await runOnce(host, operation, attempt, run, options.timeoutMs);
      // Encoded here, so that a value that JSON cannot represent fails the step like any other error.
      const bytes = encodeValue(host.functionName, `step ${JSON.stringify(label)}`, value);
      const resumed = execution.afterStepRun();
      if (resumed !== undefined) await resumed;
      return { value, bytes };
    } catch (thrown) {
      if (execution.isEnding && tries === undefined) await recordLate(execution, operation, thrown);
      execution.check();
      const { terminal, retryAfterMs, error = NO_ERROR } = failureOf(thrown);
      const isLast = tries === undefined || terminal || attempt >= (options.maxAttempts ?? 1);
      if (isLast) throw await recordFailure(execution, operation, options, thrown, error);
      await tries.pauseBehind(attempt, retryAfterMs);
    }
  }
}

/** Records the error before the handler gets it; without a recorded order only if the step has its own retries. */
async function recordFailure(
  execution: Execution,
  operation: Operation,
  options: StepOptions,
  thrown: unknown,
  error: JobError,
): Promise<unknown> {
  const { isOrdered, failures } = execution.replay;
  if (!isOrdered && options.maxAttempts === undefined) return thrown;
  const members = isOrdered ? membersOf(thrown) : NO_BYTES;
  await execution.record(operation, { kind: CheckpointKind.STEP, value: members, error });
  return failures.give(failureFor(operation.label, error, members, options), operation);
}

/**
 * Records the failure of a step that was running when the handler failed. The next attempt runs it again, and knows
 * from this record that it is the same step, not another one of its name.
 */
async function recordLate(execution: Execution, operation: Operation, thrown: unknown): Promise<void> {
  if (!execution.replay.isOrdered) return;
  const { error = NO_ERROR } = failureOf(thrown);
  await execution.record(operation, { kind: CheckpointKind.STEP, value: NO_BYTES, error, endedAttempt: true });
}

function failureFor(label: string, error: JobError, members: Uint8Array, { maxAttempts }: StepOptions): Error {
  const cause = errorOf(error, members);
  return maxAttempts === undefined ? cause : new StepFailedError(label, cause);
}

const NO_ERROR: JobError = { $typeName: "reseolio.v1.JobError", name: "Error", message: "", stack: "", reason: "" };
