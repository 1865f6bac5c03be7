import { decide, type Transition, type UnconditionalEvent } from "../../core/job-machine.ts";
import type { Job } from "../../core/job.ts";
import type { EnqueueOutcome, NewJob } from "../../storage/seam/jobs.ts";
import type { Transaction } from "../../storage/seam/store.ts";
import type { StoredJob } from "../../storage/seam/workflows.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";

/** A transaction of the commit lane, as the writes that share it see it. */
export interface LaneTransaction {
  readonly tx: Transaction;
  /** Applies guarded writes and reports them to dispatcher and change feed. False where the guard did not hold. */
  apply(transitions: readonly Transition[]): Promise<readonly boolean[]>;
  /** Stores new jobs and reports them to dispatcher and watchers. */
  enqueue(items: readonly NewJob[]): Promise<readonly EnqueueOutcome[]>;
  /** Announces that something becomes due at this time, on the store's clock. */
  expectDue(dueAt: number): void;
}

/** @param newJobId makes IDs of undo jobs */
export function openLaneTransaction(
  tx: Transaction,
  dispatcher: Dispatcher,
  newJobId: () => string,
): { readonly lane: LaneTransaction; readonly writes: JobWrites } {
  const writes: JobWrites = { stored: [], transitions: [], undoJobs: [] };
  const lane: LaneTransaction = {
    tx,
    apply: (transitions) => applyTransitions(tx, transitions, writes, newJobId),
    enqueue: (items) => enqueue(tx, items, writes, dispatcher),
    expectDue: (dueAt) => dispatcher.due.notify(dueAt),
  };
  return { lane, writes };
}

async function enqueue(
  tx: Transaction,
  items: readonly NewJob[],
  { stored }: JobWrites,
  dispatcher: Dispatcher,
): Promise<readonly EnqueueOutcome[]> {
  if (items.length === 0) return [];
  const outcomes = await tx.jobs.enqueue(items);
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.kind !== "stored") continue;
    const item = items[index] as NewJob;
    stored.push(item);
    dispatcher.onStored(item, outcome.ready, tx.now);
  }
  return outcomes;
}

/** What one transaction has done to jobs so far. */
export interface JobWrites {
  /** Jobs that callers enqueued. */
  readonly stored: NewJob[];
  readonly transitions: Transition[];
  /** Jobs that undo the steps of jobs that ended; ready at once. */
  readonly undoJobs: StoredJob[];
}

/**
 * Applies guarded writes and adds them to the transaction's. Also stores, in the same transaction, the job that undoes
 * the steps of each job that ends DEAD or CANCELLED.
 *
 * @param newJobId makes IDs of undo jobs
 */
async function applyTransitions(
  tx: Transaction,
  transitions: readonly Transition[],
  writes: Pick<JobWrites, "transitions" | "undoJobs">,
  newJobId: () => string,
): Promise<readonly boolean[]> {
  const results = await tx.jobs.applyTransitions(transitions);
  const done = transitions.filter((_, index) => results[index] === true);
  writes.transitions.push(...done);
  const ended = done.filter(mayHaveSteps);
  if (ended.length === 0) return results;
  const items = ended.map(({ jobId }) => ({ jobId, undoId: newJobId() }));
  writes.undoJobs.push(...(await tx.workflows.storeUndoJobs(items)));
  return results;
}

/** A job that was never leased has recorded nothing. */
function mayHaveSteps({ change, expected }: Transition): boolean {
  return (change.state === "DEAD" || change.state === "CANCELLED") && expected.leaseToken > 0;
}

/** Applies an event to jobs whose states allow it. Returns the IDs of those that changed. */
export function applyEvent(
  lane: LaneTransaction,
  jobs: readonly Job[],
  event: UnconditionalEvent,
): Promise<readonly string[]> {
  return applyDecisions(
    lane,
    jobs.map((job) => decide(job, event)),
  );
}

/** Applies decisions, without the refusals. Returns the IDs of jobs that changed. */
export async function applyDecisions(
  lane: LaneTransaction,
  decisions: readonly (Transition | null)[],
): Promise<readonly string[]> {
  const transitions = decisions.filter((transition) => transition !== null);
  if (transitions.length === 0) return [];
  const applied = await lane.apply(transitions);
  return transitions.filter((_, index) => applied[index] === true).map(({ jobId }) => jobId);
}
