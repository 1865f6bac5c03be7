/**
 * Durable calls made inside a handler. Without an explicit key each gets one made from what it is, so that a handler
 * that runs again finds the children of its earlier executions, in whatever order it calls them.
 */
import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import {
  type EnqueuedJob,
  JobOptionsSchema,
  JobState,
  type NewJob,
  OnDuplicate,
} from "#proto/gen/reseolio/v1/job_pb.ts";
import type { HandlerScope } from "../context.ts";

/** Counts calls of the same function with the same arguments within one execution of a handler or a step. */
export class CallCounter {
  readonly #counts = new Map<string, number>();

  /** From 1. */
  next(call: string): number {
    const count = (this.#counts.get(call) ?? 0) + 1;
    this.#counts.set(call, count);
    return count;
  }
}

/** A child that was stored, or found. */
export interface StoredChild {
  readonly job: NewJob;
  readonly answer: EnqueuedJob;
}

/**
 * Stores the call, or finds the child of an earlier execution. A child that ended badly is found as long as no attempt
 * of the parent has failed since; the parent's next attempt starts it again, as it tries its steps again.
 *
 * @param job without an idempotency key
 */
export async function callChild(
  scope: HandlerScope,
  job: NewJob,
  enqueue: (job: NewJob) => Promise<StoredChild>,
): Promise<StoredChild> {
  const { failures } = scope.context;
  const key = childKey(scope, job);
  for (let tries = 0; ; tries++) {
    const stored = await enqueue(withKey(job, tries === 0 ? key : `${key}~${tries}`));
    if (tries >= failures || !stored.answer.deduplicated || !endedBadly(stored.answer.state)) return stored;
  }
}

function endedBadly(state: JobState): boolean {
  return state === JobState.DEAD || state === JobState.CANCELLED;
}

function childKey({ context, stepName, calls }: HandlerScope, { functionName, args }: NewJob): string {
  const call = digest(functionName, stepName ?? "", canonical(args));
  return `${context.jobId}:${call}:${calls.next(call)}`;
}

function withKey(job: NewJob, idempotencyKey: string): NewJob {
  const options = { ...(job.options ?? create(JobOptionsSchema)), idempotencyKey };
  return { ...job, options: { ...options, onDuplicate: OnDuplicate.RETURN_EXISTING } };
}

function digest(...parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64url").slice(0, 22);
}

/** The same text for the same arguments, in whatever order the members of their objects were written. */
function canonical(args: Uint8Array): string {
  const text = Buffer.from(args.buffer, args.byteOffset, args.byteLength).toString();
  return text.includes("{") ? JSON.stringify(sorted(JSON.parse(text))) : text;
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  const members = Object.entries(value).map(([name, member]) => [name, sorted(member)] as const);
  // As a list: an object would put names that are numbers first, and lose "__proto__".
  return members.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
}
