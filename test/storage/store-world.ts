/** What a test of a store stands on: an own store with a clock that the test moves, and short ways to fill it. */
import { decide, type JobEvent } from "../../src/daemon/core/job-machine.ts";
import { type JobOptionsInput, resolveJobOptions } from "../../src/daemon/core/job-options.ts";
import type { Job } from "../../src/daemon/core/job.ts";
import type { EnqueueOutcome, NewJob } from "../../src/daemon/storage/seam/jobs.ts";
import type { Store } from "../../src/daemon/storage/seam/store.ts";
import type { ManualClock } from "../support/manual-clock.ts";

export interface StoreWorld extends AsyncDisposable {
  readonly store: Store;
  readonly clock: ManualClock;
  /** Its reads wait for the transaction that is open. */
  readonly hasOneConnection?: true;
}

export type MakeStore = () => Promise<StoreWorld>;

export const FUNCTION = "test:store:work";
export const WORKER = "0192f0c1-2345-7000-8000-00000000000a";

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function text(value: Uint8Array | null): string | null {
  return value === null ? null : new TextDecoder().decode(value);
}

let sequence = 0;

/** Ids that grow, with the time of the store's clock inside, as those of a caller with a right clock. */
export function newJobId(at: number): string {
  const time = Math.floor(at).toString(16).padStart(12, "0");
  const order = (++sequence).toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${order}`;
}

export interface JobInput extends JobOptionsInput {
  readonly jobId?: string;
  readonly functionName?: string;
  readonly args?: string | Uint8Array;
  readonly parentId?: string;
}

export function newJob(world: StoreWorld, input: JobInput = {}): NewJob {
  const { jobId, functionName, args, parentId, ...options } = input;
  const resolved = resolveJobOptions(options, "options");
  if (resolved.violations.length > 0) throw new Error(JSON.stringify(resolved.violations));
  return {
    jobId: jobId ?? newJobId(world.clock.now()),
    functionName: functionName ?? FUNCTION,
    args: typeof args === "string" ? bytes(args) : (args ?? bytes("[]")),
    options: resolved.options,
    parentId: parentId ?? null,
  };
}

export function enqueue(world: StoreWorld, ...inputs: readonly JobInput[]): Promise<readonly EnqueueOutcome[]> {
  const items = inputs.map((input) => newJob(world, input));
  return world.store.transact((tx) => tx.jobs.enqueue(items));
}

/** Stores one job that must be new, and returns its id. */
export async function stored(world: StoreWorld, input: JobInput = {}): Promise<string> {
  const [outcome] = await enqueue(world, input);
  if (outcome?.kind !== "stored") throw new Error(`expected a stored job, got ${JSON.stringify(outcome)}`);
  return outcome.jobId;
}

export async function claim(
  world: StoreWorld,
  limit = 1,
  functionNames: readonly string[] = [FUNCTION],
  workerId = WORKER,
): Promise<readonly Job[]> {
  const [claimed] = await world.store.transact((tx) => tx.jobs.claim([{ workerId, functionNames, limit }]));
  return claimed!.jobs;
}

/** Claims the one job that is ready. */
export async function claimOne(world: StoreWorld): Promise<Job> {
  const [job] = await claim(world);
  if (job === undefined) throw new Error("nothing was ready");
  return job;
}

/** Decides on the job as it was read and applies the transition; false if the state machine or the store refused. */
export async function happen(world: StoreWorld, job: Job, event: JobEvent): Promise<boolean> {
  const transition = decide(job, event, { maxLosses: 10 }, 0.5);
  if (transition === null) return false;
  const [applied] = await world.store.transact((tx) => tx.jobs.applyTransitions([transition]));
  return applied!;
}

export function failed(message = "no"): JobEvent {
  return { kind: "fail", error: { name: "Error", message }, terminal: false, retryAfterMs: null };
}

export function succeeded(result = "null"): JobEvent {
  return { kind: "succeed", result: bytes(result) };
}

export async function read(world: StoreWorld, jobId: string): Promise<Job> {
  const job = await world.store.jobs.get(jobId);
  if (job === null) throw new Error(`job ${jobId} is not there`);
  return job;
}

/** Enqueues, claims and settles one job. */
export async function finished(
  world: StoreWorld,
  input: JobInput = {},
  event: JobEvent = succeeded(),
): Promise<string> {
  const jobId = await stored(world, input);
  const [job] = await claim(world, 1, [input.functionName ?? FUNCTION]);
  if (job?.jobId !== jobId) throw new Error("another job was ready before");
  await happen(world, job, event);
  return jobId;
}
