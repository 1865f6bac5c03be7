/** Runs one attempt of a handler, from its arguments to its outcome. */
import { MAX_UINT32 } from "#proto/contract.ts";
import type { JobError } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Assignment, Failure, Outcome, Park } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { ReseolioError } from "../errors.ts";
import type { AttemptEnding } from "../replay/attempt-ending.ts";
import { runInScope } from "../replay/scope.ts";
import { decodeArgs, encodeResult } from "../serialization.ts";
import type { AttemptEnd } from "../workflow/attempt-end.ts";
import { failureOf } from "../workflow/failure.ts";
import type { HandlerContext } from "../workflow/handler-context.ts";
import type { CrashPlan } from "../workflow/test-hooks.ts";
import type { LeasedJob } from "./leased-jobs.ts";
import type { FunctionDefinition } from "./registry.ts";

/**
 * Runs one attempt: decodes the arguments, calls the handler in its context, and calls `onEnd` once when it has
 * settled; synchronously if the handler returns no promise. Never throws.
 *
 * @param definition undefined if this client does not have the function: the attempt fails
 */
export function execute(
  assignment: Assignment,
  definition: FunctionDefinition | undefined,
  context: HandlerContext,
  onEnd: (end: AttemptEnd) => void,
): void {
  let returned: unknown;
  try {
    if (definition === undefined) throw unknownFunction(assignment.functionName);
    const args = decodeArgs(assignment.functionName, assignment.args);
    returned = settling(runInScope(context, definition.handler, args));
  } catch (thrown) {
    onEnd({ kind: "failure", thrown });
    return;
  }
  if (!(returned instanceof Promise)) {
    onEnd(success(assignment.functionName, returned));
    return;
  }
  returned.then(
    (result) => onEnd(success(assignment.functionName, result)),
    (thrown: unknown) => onEnd({ kind: "failure", thrown }),
  );
}

function success(functionName: string, result: unknown): AttemptEnd {
  try {
    return { kind: "success", result, bytes: encodeResult(functionName, result) };
  } catch (thrown) {
    return { kind: "failure", thrown };
  }
}

/** Wraps other thenables in a promise: their `then` may throw or settle twice. */
function settling(returned: unknown): unknown {
  return returned instanceof Promise || !isThenable(returned) ? returned : Promise.resolve(returned);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

function unknownFunction(name: string): ReseolioError {
  return new ReseolioError(
    "not_found",
    `this worker has no function ${JSON.stringify(name)}; register it with durable()`,
  );
}

/** The end of an attempt as the protocol's Outcome. */
export function outcomeOf(
  assignment: Assignment,
  end: AttemptEnd,
  ranMs: number,
  ending: AttemptEnding | undefined,
): Outcome {
  if (end.kind === "success") return outcome(assignment, { case: "success", value: end.bytes }, ranMs);
  return outcome(assignment, failed({ ...failureOf(end.thrown), ...ending }), ranMs);
}

/**
 * Releases a lease, which does not count as a failure.
 *
 * @param mismatch why the job's records do not match the handler
 */
export function releaseOf(assignment: Assignment, started: boolean, mismatch = ""): Outcome {
  return outcome(assignment, { case: "release", value: { $typeName: "reseolio.v1.Release", started, mismatch } }, 0);
}

/** The handler waits without its slot. */
export function parkOf(assignment: Assignment, park: Park, ranMs: number): Outcome {
  return outcome(assignment, { case: "park", value: park }, ranMs);
}

/** For a handler whose waits the daemon refused. */
export function refusedParkOf(assignment: Assignment): Outcome {
  return reportedFailure(
    assignment,
    "the daemon rejected the handler's waits: an earlier execution recorded one of the names as something else because " +
      "the code changed while the job was running (use another name), or the job has reached its checkpoint limit (move some " +
      "of the work to child jobs)",
  );
}

/** For a result that the daemon refused. */
export function refusedResultOf(assignment: Assignment): Outcome {
  const message = "the daemon refused the result as too large or malformed; return less, or a reference to it";
  return reportedFailure(assignment, message);
}

function reportedFailure(assignment: Assignment, message: string): Outcome {
  const error: JobError = { $typeName: "reseolio.v1.JobError", name: "ReseolioError", message, stack: "", reason: "" };
  return outcome(
    assignment,
    failed({ $typeName: "reseolio.v1.Failure", error, terminal: false, endedBy: [], loosened: [] }),
    0,
  );
}

function failed(value: Failure): Outcome["outcome"] {
  return { case: "failure", value };
}

function outcome(assignment: Assignment, value: Outcome["outcome"], ranMs: number): Outcome {
  return {
    $typeName: "reseolio.v1.Outcome",
    jobId: assignment.jobId,
    leaseToken: assignment.leaseToken,
    outcome: value,
    durationUs: Math.min(Math.round(ranMs * 1000), MAX_UINT32),
  };
}

/**
 * Defers the end of an attempt. Steps that a failed handler left running are recorded first, as they would run again
 * otherwise. After a handler has returned, a branch that lost a race may still ask for what is on record.
 *
 * @param onFinished called when the attempt can end
 * @returns false when there is nothing to wait for; `onFinished` is not called then
 */
export function defersEnd(
  context: HandlerContext,
  end: AttemptEnd,
  job: LeasedJob | undefined,
  onFinished: () => void,
): boolean {
  if (context.abortReason !== undefined || job?.stage !== "running") return false;
  if (end.kind === "success") {
    if (!context.hasUnasked) return false;
    context.execution.holdSlot();
    void context.whenAsked().then(onFinished);
    return true;
  }
  const execution = context.startedExecution;
  if (execution === undefined || execution.steps.size === 0) return false;
  execution.beginEnding();
  execution.steps.whenOver(job.timeLeftMs(performance.now()), () => {
    if (execution.steps.size > 0 && !execution.isDropped) context.abandonSteps(execution.steps.names);
    onFinished();
  });
  return true;
}

/** Decides where handlers crash in a test world with fault injection; nowhere in production. */
export class InjectedCrashes {
  readonly #plan: CrashPlan | undefined;

  constructor(plan: CrashPlan | undefined) {
    this.#plan = plan;
  }

  crashesAfter({ assignment, isRevoked, context }: LeasedJob, point: string): boolean {
    return !isRevoked && context !== undefined && this.#plan?.crashesAfter(assignment.jobId, point) === true;
  }

  /** Only if something it waited for has ended: otherwise its replay would get no further. */
  crashesOnResume({ assignment, recorded }: LeasedJob): boolean {
    const names = recorded.map(({ name }) => name).join();
    return names !== "" && this.#plan?.crashesAfter(assignment.jobId, `wait ${names}`) === true;
  }

  crashesAtEnd({ assignment, context, isRevoked }: LeasedJob, end: AttemptEnd): boolean {
    if (this.#plan === undefined || isRevoked || end.kind === "failure") return false;
    const { jobId, functionName, failures } = assignment;
    const notAskedFor = context?.startedExecution?.journal.notAskedFor ?? [];
    return this.#plan.crashesAtEnd({ jobId, functionName, failures, result: end.bytes, notAskedFor });
  }
}

/** Whatever a handler throws after its time limit, the timeout is why it failed. */
export function timedOut(
  context: { readonly abortReason: Error | undefined } | undefined,
  end: AttemptEnd,
): AttemptEnd {
  const reason = context?.abortReason;
  return end.kind === "failure" && reason?.name === "TimeoutError" ? { kind: "failure", thrown: reason } : end;
}
