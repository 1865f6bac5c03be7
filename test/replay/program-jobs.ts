/** Programs as jobs: their options, what their handlers know, their children, and how they end. */
import {
  context,
  JobCancelledError,
  JobFailedError,
  type JobHandle,
  type JobOptions,
  type Reseolio,
  ResultTimeoutError,
} from "../../src/sdk/index.ts";
import type { HandlerContext } from "../../src/sdk/workflow/handler-context.ts";
import { describeError } from "./describe-values.ts";
import type { CallChild, HandlerFacts } from "./interpreter.ts";
import type { JobEnd } from "./oracle.ts";
import { ALWAYS, type ChildNode, type Program } from "./program.ts";

/** A job that takes longer stands still, also on a machine that does other things too. */
const END_WITHIN_MS = 120_000;

/** Options of the job that runs a program. */
export function optionsOf({ maxAttempts }: Program): JobOptions {
  // A program of a thousand points that dies at each of them takes longer than an attempt may by default.
  return { maxAttempts, initialDelayMs: 1, backoff: "fixed", jitter: 0, timeoutMs: 0 };
}

/** What the interpreter needs to know of the handler that it is called in. */
export function handlerFacts(): HandlerFacts {
  const current = context();
  // The class behind the interface: how many attempts have failed is not for programs to see.
  const { failures } = current as HandlerContext;
  return { context: current, failures, isOver: () => (current as HandlerContext).abortReason !== undefined };
}

/** Registers the function that stands for all children. @param nextRun counts the runs of a child */
export function durableChild(client: Reseolio, name: string, nextRun: (jobId: string) => number): CallChild {
  const child = client.durable(name, async ({ tag, ms, fails }: Omit<ChildNode, "kind">) => {
    const { jobId } = context();
    const run = nextRun(jobId);
    if (ms > 0) await Bun.sleep(ms);
    if (run <= fails) throw new Error(`child ${tag} run ${run}`);
    return `child:${tag}:${run}`;
  });
  return ({ tag, ms, fails }) =>
    child.with({ maxAttempts: fails === ALWAYS ? 2 : 1, initialDelayMs: 1 })({ tag, ms, fails });
}

/** Waits for it; one that stands still is cancelled, so that it disturbs nobody. */
export async function endOf(job: JobHandle, withinMs = END_WITHIN_MS): Promise<JobEnd> {
  try {
    return { status: "success", result: String(await job.result(withinMs)), error: "" };
  } catch (thrown) {
    if (thrown instanceof JobFailedError) return { status: "dead", result: null, error: describeError(thrown.cause) };
    if (thrown instanceof JobCancelledError) return { status: "cancelled", result: null, error: thrown.message };
    if (!(thrown instanceof ResultTimeoutError)) throw thrown;
    const { status, lastError } = await standing(job);
    await job.cancel();
    return { status: `still ${status} after ${withinMs} ms`, result: null, error: lastError };
  }
}

async function standing(job: JobHandle): Promise<{ readonly status: string; readonly lastError: string }> {
  const { status, error } = await job.details();
  return { status, lastError: error === null || error === undefined ? "" : error.message };
}
