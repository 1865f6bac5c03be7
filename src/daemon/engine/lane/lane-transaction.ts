import type { Transition } from "../../core/job-machine.ts";
import type { EnqueueOutcome, NewJob } from "../../storage/seam/jobs.ts";
import type { Transaction } from "../../storage/seam/store.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import { applyTransitions, type JobWrites } from "./apply-transitions.ts";

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
