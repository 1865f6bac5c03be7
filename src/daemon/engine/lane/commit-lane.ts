import { DaemonError } from "../../core/errors.ts";
import type { Transition } from "../../core/job-machine.ts";
import type { NewCheckpoint, NewSignal, RecordOutcome, SignalOutcome } from "../../storage/seam/workflows.ts";
import type { EmitOutcome, NewEvent } from "../../storage/seam/events.ts";
import type { EnqueueOutcome, NewJob } from "../../storage/seam/jobs.ts";
import type { Store, Transaction } from "../../storage/seam/store.ts";
import type { ChangeFeed } from "./change-feed.ts";
import { type Committed, describeChanges } from "./committed-changes.ts";
import type { Dispatcher } from "../workers/dispatcher.ts";
import { storeCalls } from "../jobs/store-calls.ts";
import { emitEvents } from "../workflows/emit-events.ts";
import type { Batch, LaneTransaction, Ticket } from "./lane-batch.ts";
import { type Applied, applyTransitions } from "./apply-transitions.ts";
import { answer, emptyBatch, eventNamesOf, hasWork, itemsOf, splitBatch, ticketsOf } from "./lane-batch.ts";
import type { ParkOutcome, ParkToStore } from "../workflows/park-jobs.ts";
import { parkJobs } from "../workflows/park-jobs.ts";
import { sendSignals } from "../workflows/send-signals.ts";
import { wakeJobs } from "../workflows/wake-jobs.ts";

export interface CommitLaneOptions {
  readonly store: Store;
  readonly dispatcher: Dispatcher;
  readonly changes: ChangeFeed;
  /** Called when the store says that the daemon cannot go on. */
  readonly onFatal: (error: DaemonError) => void;
  /** For undo jobs. */
  readonly newJobId: () => string;
  /** Called after each commit with its length and what it changed in jobs that were there. */
  readonly onCommit?: (milliseconds: number, applied: readonly Transition[]) => void;
}

/**
 * Group commit: everything that arrives while a commit is under way goes into the next transaction, which stores new
 * jobs, settles attempts, does whatever else was asked, and claims jobs for the slots that are free now. One call
 * alone goes at once. Nothing is answered before its commit is on disk.
 */
export class CommitLane {
  readonly #options: CommitLaneOptions;
  #next: Batch = emptyBatch();
  #wakeRequested = false;
  #running = false;
  #closed = false;
  #idle: Promise<void> = Promise.resolve();

  constructor(options: CommitLaneOptions) {
    this.#options = options;
  }

  enqueue(items: readonly NewJob[], ticket: Ticket<readonly EnqueueOutcome[]>): void {
    if (this.#refuse(ticket)) return;
    this.#next.enqueues.push({ items, ticket });
    this.#schedule();
  }

  record(items: readonly NewCheckpoint[], ticket: Ticket<readonly RecordOutcome[]>): void {
    if (this.#refuse(ticket)) return;
    this.#next.records.push({ items, ticket });
    this.#schedule();
  }

  settle(items: readonly Transition[], ticket: Ticket<readonly boolean[]>): void {
    if (this.#refuse(ticket)) return;
    this.#next.settles.push({ items, ticket });
    this.#schedule();
  }

  park(items: readonly ParkToStore[], ticket: Ticket<readonly ParkOutcome[]>): void {
    if (this.#refuse(ticket)) return;
    this.#next.parks.push({ items, ticket });
    this.#schedule();
  }

  emit(items: readonly NewEvent[], ticket: Ticket<readonly EmitOutcome[]>): void {
    if (this.#refuse(ticket)) return;
    this.#next.emits.push({ items, ticket });
    this.#schedule();
  }

  signal(items: readonly NewSignal[], ticket: Ticket<readonly SignalOutcome[]>): void {
    if (this.#refuse(ticket)) return;
    this.#next.signals.push({ items, ticket });
    this.#schedule();
  }

  /** Runs `work`, which may write these events, in the next transaction. Fails alone: the others are tried again. */
  run<T>(work: (lane: LaneTransaction) => Promise<T>, eventNames: readonly string[] = []): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const ticket: Ticket<unknown> = { done: (value) => resolve(value as T), failed: reject };
      if (this.#refuse(ticket)) return;
      this.#next.works.push({ work, eventNames, ticket });
      this.#schedule();
    });
  }

  /** Free slots or ready jobs may have appeared: claim, even if nothing else is to be written. */
  wake(): void {
    if (this.#closed) return;
    this.#wakeRequested = true;
    this.#schedule();
  }

  /** Refuses what comes from now on and waits for what is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#idle;
  }

  #refuse(ticket: Ticket<never>): boolean {
    if (!this.#closed) return false;
    ticket.failed(new DaemonError("unavailable", "the daemon is stopping; connect again and repeat the call"));
    return true;
  }

  #schedule(): void {
    if (this.#running) return;
    this.#running = true;
    // After the poll phase: what other connections sent in the same turn joins this commit.
    this.#idle = new Promise((resolve) => setImmediate(() => void this.#drain().finally(resolve)));
  }

  async #drain(): Promise<void> {
    while (hasWork(this.#next) || (this.#wakeRequested && this.#options.dispatcher.hasDemand())) {
      const batch = this.#next;
      this.#next = emptyBatch();
      this.#wakeRequested = false;
      await this.#commit(batch);
      // Lets sockets be read between commits; what they bring goes into the next one.
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#wakeRequested = false;
    this.#running = false;
  }

  async #commit(batch: Batch): Promise<void> {
    const startedAt = performance.now();
    let committed: Committed;
    try {
      committed = (await this.#storeAlone(batch)) ?? (await this.#transact(batch));
    } catch (cause) {
      // What was claimed was not: its functions have ready jobs still.
      this.#options.dispatcher.markAllReady();
      await this.#fail(batch, toDaemonError(cause));
      return;
    }
    this.#options.onCommit?.(performance.now() - startedAt, committed.applied);
    this.#tell(batch, committed);
  }

  #transact(batch: Batch): Promise<Committed> {
    const readsTimeLate = [batch.enqueues, batch.records, batch.settles, batch.parks].some((entries) =>
      entries.some((entry) => entry.items.length > 0),
    );
    return this.#options.store.transact((tx) => this.#apply(tx, batch), { readsTimeLate });
  }

  /** The short way of a commit that only stores jobs, of which nobody here can take one; null when it is not open. */
  async #storeAlone(batch: Batch): Promise<Committed | null> {
    const { store, dispatcher } = this.#options;
    if (store.jobs.insertInOneStatement === undefined || !isPlain(batch)) return null;
    const items = itemsOf(batch.enqueues);
    for (const item of items) if (startsAtOnce(item)) dispatcher.markReady(item.functionName);
    if (dispatcher.hasDemand()) return null;
    const done = await store.jobs.insertInOneStatement(items);
    if (done === null) return null;
    const { now, outcomes } = done;
    for (const [index, item] of items.entries()) dispatcher.noteStored(item, isReadyOutcome(outcomes[index]), now);
    // A slot may have become free meanwhile.
    this.#wakeRequested = true;
    return { ...NOTHING_DONE, at: now, enqueued: outcomes, stored: items };
  }

  async #apply(tx: Transaction, batch: Batch): Promise<Committed> {
    const { dispatcher } = this.#options;
    const eventNames = eventNamesOf(batch);
    if (eventNames.length > 0) await tx.events.lock(eventNames);
    const stored: NewJob[] = [];
    const enqueued = await storeCalls(tx, itemsOf(batch.enqueues), (items) => this.#storeJobs(tx, items, stored));
    const applied: Applied = { transitions: [], undoJobs: [] };
    const lane: LaneTransaction = {
      tx,
      apply: (transitions) => applyTransitions(tx, transitions, applied, this.#options.newJobId),
      enqueue: (items) => this.#storeJobs(tx, items, stored),
    };
    const checkpoints = itemsOf(batch.records);
    const recorded = checkpoints.length > 0 ? await tx.workflows.record(checkpoints) : [];
    const transitions = itemsOf(batch.settles);
    const settled = transitions.length > 0 ? await lane.apply(transitions) : [];
    const parks = itemsOf(batch.parks);
    const parked = parks.length > 0 ? await parkJobs(lane, dispatcher, parks) : [];
    const events = itemsOf(batch.emits);
    const emitted = events.length > 0 ? await emitEvents(lane, dispatcher, events) : [];
    const signals = itemsOf(batch.signals);
    const signalled = signals.length > 0 ? await sendSignals(lane, signals) : [];
    const worked: unknown[] = [];
    for (const entry of batch.works) worked.push(await entry.work(lane));
    await wakeJobs(lane, await tx.workflows.takeAwaiters());
    for (const transition of applied.transitions) dispatcher.noteTransition(transition, tx.now);
    for (const { functionName } of applied.undoJobs) dispatcher.markReady(functionName);
    return {
      ...{ at: tx.now, enqueued, recorded, settled, parked, emitted, signalled, worked },
      ...{ stored: [...stored, ...applied.undoJobs], applied: applied.transitions },
      ...(await this.#applyClaims(tx)),
    };
  }

  /** Handlers that wait in memory go on before new jobs begin. */
  async #applyClaims(tx: Transaction): Promise<Pick<Committed, "resumed" | "claimed">> {
    const { dispatcher } = this.#options;
    const resumes = dispatcher.planResumes();
    const resumed = resumes.length > 0 ? await tx.jobs.resume(resumes) : [];
    dispatcher.noteResumes(resumes, resumed);
    const demands = dispatcher.planClaims(resumed);
    const claimed = demands.length > 0 ? await tx.jobs.claim(demands) : [];
    dispatcher.noteClaims(demands, claimed);
    return { resumed, claimed };
  }

  /** Adds to `stored` what is new. */
  async #storeJobs(tx: Transaction, items: readonly NewJob[], stored: NewJob[]): Promise<readonly EnqueueOutcome[]> {
    if (items.length === 0) return [];
    const outcomes = await tx.jobs.enqueue(items);
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.kind !== "stored") continue;
      const item = items[index] as NewJob;
      stored.push(item);
      this.#options.dispatcher.noteStored(item, outcome.ready, tx.now);
    }
    return outcomes;
  }

  #tell(batch: Batch, committed: Committed): void {
    const { dispatcher, changes } = this.#options;
    answer(batch.enqueues, committed.enqueued);
    answer(batch.records, committed.recorded);
    answer(batch.settles, committed.settled);
    answer(batch.parks, committed.parked);
    answer(batch.emits, committed.emitted);
    answer(batch.signals, committed.signalled);
    for (const [index, entry] of batch.works.entries()) entry.ticket.done(committed.worked[index]);
    dispatcher.afterCommit(committed.applied, committed.resumed, committed.claimed);
    changes.publish(describeChanges(committed, changes.isWatched));
  }

  /** A batch of several entries is tried again one by one, so that one bad entry does not fail the others. */
  async #fail(batch: Batch, error: DaemonError): Promise<void> {
    if (error.code === "fatal") this.#options.onFatal(error);
    const isPassing = error.code === "unavailable" || error.code === "resource_exhausted" || error.code === "fatal";
    const parts = splitBatch(batch);
    if (!isPassing && parts.length > 1) {
      for (const part of parts) await this.#commit(part);
      return;
    }
    for (const ticket of ticketsOf(batch)) ticket.failed(error);
  }
}

/** A ticket's two ends as a promise. */
export function ticketed<T>(submit: (ticket: Ticket<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => submit({ done: resolve, failed: reject }));
}

/** New jobs without parents, and nothing else. */
function isPlain({ enqueues, ...rest }: Batch): boolean {
  const others: readonly (readonly unknown[])[] = Object.values(rest);
  if (enqueues.length === 0 || others.some((entries) => entries.length > 0)) return false;
  return enqueues.every(({ items }) => items.every((item) => item.parentId === null));
}

function startsAtOnce({ options: { runAt, delayMs } }: NewJob): boolean {
  return runAt === null && (delayMs ?? 0) <= 0;
}

function isReadyOutcome(outcome: EnqueueOutcome | undefined): boolean {
  return outcome?.kind === "stored" && outcome.ready;
}

const NOTHING_DONE: Omit<Committed, "at"> = {
  ...{ enqueued: [], recorded: [], settled: [], parked: [], emitted: [], signalled: [], worked: [] },
  ...{ stored: [], applied: [], resumed: [], claimed: [] },
};

function toDaemonError(cause: unknown): DaemonError {
  if (cause instanceof DaemonError) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  return new DaemonError("internal", `the store refused a transaction: ${text}`, { cause });
}
