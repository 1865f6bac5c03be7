/**
 * Durable calls made inside a handler. A call without an explicit idempotency key gets one derived from its content, so
 * that a handler that runs again finds the children of its earlier executions, in whatever order it calls them.
 */
import { create } from "@bufbuild/protobuf";
import { createHash } from "node:crypto";
import {
  type EnqueuedJob,
  JobOptionsSchema,
  JobState,
  type NewJob,
  OnDuplicate,
} from "#proto/gen/reseolio/v1/job_pb.ts";
import type { NumberedCall } from "./call-numbers.ts";
import type { Execution } from "./execution.ts";
import type { HandlerScope } from "./running-handler.ts";

/** A child job that was stored, or found. */
export interface StoredChild {
  readonly job: NewJob;
  readonly answer: EnqueuedJob;
}

type Enqueue = (job: NewJob) => Promise<StoredChild>;

/**
 * Stores the call, or finds the child of an earlier execution. A child whose failure ended an attempt of its parent is
 * retried under its own ID. One that was cancelled, or whose failure the parent handled, stays as it is.
 *
 * @param job without an idempotency key, or with one that the program chose
 */
export function callChild(scope: HandlerScope, job: NewJob, enqueue: Enqueue): Promise<StoredChild> {
  const { execution } = scope.context;
  const isKeyed = (job.options?.idempotencyKey ?? "") !== "";
  const call = isKeyed ? `key ${job.options?.idempotencyKey}` : callOf(scope, job);
  if (scope.stepName !== null) return execution.during(storeChild(scope, job, { call, isKeyed, enqueue }));
  const { replay, calls } = execution;
  if (!replay.isOrdered) {
    return execution.call(replay.identities.beginUnordered(`call ${call}`), () =>
      storeChild(scope, job, { call, isKeyed, enqueue }),
    );
  }
  let numbered!: NumberedCall;
  const branch = replay.identities.beginCall(`call ${call}`, (place) => {
    numbered = calls.number(call, place);
    return numbered.number;
  });
  return execution.call(branch, async () => {
    // A call with the program's own key is found by that, whatever its number.
    if (!isKeyed) await calls.keep(numbered);
    return storeChild(scope, job, { call, isKeyed, enqueue, number: numbered.number });
  });
}

interface Call {
  /** Digest of the function and its arguments. */
  readonly call: string;
  readonly isKeyed: boolean;
  readonly enqueue: Enqueue;
  /** Absent inside a step. */
  readonly number?: number;
}

async function storeChild(
  scope: HandlerScope,
  job: NewJob,
  { call, isKeyed, enqueue, number }: Call,
): Promise<StoredChild> {
  const { execution } = scope.context;
  if (isKeyed) return retried(execution, await enqueue(job));
  if (!execution.replay.isOrdered) return callUnordered(scope, job, call, enqueue);
  const key = keyOf(scope, call, number ?? scope.calls.next(call));
  return retried(execution, await enqueue(withKey(job, key)));
}

function callOf({ context, stepName, branch }: HandlerScope, { functionName, args }: NewJob): string {
  const isNamed = stepName === null || !context.execution.replay.isOrdered;
  // Concurrent steps may get their names in another order when they run again.
  return digest(functionName, isNamed ? (stepName ?? "") : `#${branch.id}`, canonical(args));
}

function keyOf({ context }: HandlerScope, call: string, number: number): string {
  return `${context.jobId}:${call}:${number}`;
}

async function retried(execution: Execution, child: StoredChild): Promise<StoredChild> {
  const { deduplicated, state, jobId } = child.answer;
  // The handler is replayed only to undo its steps: its children stay as they are.
  if (execution.isReplayOnly) return child;
  if (!deduplicated || !endedBadly(state) || !execution.hasEndedAttempt(jobId)) return child;
  await execution.retryJob(jobId);
  return child;
}

/**
 * For jobs from before the order was recorded: distinguishes calls by their number, and calls a child that ended badly
 * again, as another job, if an attempt of the parent has failed since.
 */
async function callUnordered(scope: HandlerScope, job: NewJob, call: string, enqueue: Enqueue): Promise<StoredChild> {
  const { context, calls } = scope;
  const key = keyOf(scope, call, calls.next(call));
  for (let tries = 0; ; tries++) {
    const stored = await enqueue(withKey(job, tries === 0 ? key : `${key}~${tries}`));
    if (tries >= context.failures || !stored.answer.deduplicated || !endedBadly(stored.answer.state)) return stored;
  }
}

function endedBadly(state: JobState): boolean {
  return state === JobState.DEAD || state === JobState.CANCELLED;
}

function withKey(job: NewJob, idempotencyKey: string): NewJob {
  const options = { ...(job.options ?? create(JobOptionsSchema)), idempotencyKey };
  return { ...job, options: { ...options, onDuplicate: OnDuplicate.RETURN_EXISTING } };
}

function digest(...parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64url").slice(0, 22);
}

/** The same text for equal arguments, whatever the order of members in their objects. */
function canonical(args: Uint8Array): string {
  const text = Buffer.from(args.buffer, args.byteOffset, args.byteLength).toString();
  return text.includes("{") ? JSON.stringify(sorted(JSON.parse(text))) : text;
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  const members = Object.entries(value).map(([name, member]) => [name, sorted(member)] as const);
  // A list of pairs: an object would put numeric names first, and lose "__proto__".
  return members.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
}
