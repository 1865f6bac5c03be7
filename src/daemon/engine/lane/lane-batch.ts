import type { DaemonError } from "../../core/errors.ts";
import type { Transition } from "../../core/job-machine.ts";
import type { NewCheckpoint, NewSignal, RecordOutcome, SignalOutcome } from "../../storage/seam/workflows.ts";
import type { EmitOutcome, NewEvent } from "../../storage/seam/events.ts";
import type { EnqueueOutcome, NewJob } from "../../storage/seam/jobs.ts";
import type { Transaction } from "../../storage/seam/store.ts";
import type { ParkOutcome, ParkToStore } from "../workflows/park-jobs.ts";

/** Told once, after the commit is on disk, or with what prevented it. Called on the lane: must be short, must not throw. */
export interface Ticket<T> {
  done(value: T): void;
  failed(error: DaemonError): void;
}

/** What a piece of work sees of the transaction that it shares with others. */
export interface LaneTransaction {
  readonly tx: Transaction;
  /** Guarded writes that the lane also tells to dispatcher and change feed. */
  apply(transitions: readonly Transition[]): Promise<readonly boolean[]>;
  /** New jobs, which the lane tells to dispatcher and watchers too. */
  enqueue(items: readonly NewJob[]): Promise<readonly EnqueueOutcome[]>;
}

/** Items of one caller, and the answer to each in order. */
export interface Entry<Item, Answer> {
  readonly items: readonly Item[];
  readonly ticket: Ticket<readonly Answer[]>;
}

export interface WorkEntry {
  readonly work: (lane: LaneTransaction) => Promise<unknown>;
  /** Events that it writes. */
  readonly eventNames: readonly string[];
  readonly ticket: Ticket<unknown>;
}

/** What goes into one transaction, in this order. */
export interface Batch {
  readonly enqueues: Entry<NewJob, EnqueueOutcome>[];
  readonly records: Entry<NewCheckpoint, RecordOutcome>[];
  readonly settles: Entry<Transition, boolean>[];
  readonly parks: Entry<ParkToStore, ParkOutcome>[];
  readonly emits: Entry<NewEvent, EmitOutcome>[];
  readonly signals: Entry<NewSignal, SignalOutcome>[];
  readonly works: WorkEntry[];
}

export function emptyBatch(): Batch {
  return { enqueues: [], records: [], settles: [], parks: [], emits: [], signals: [], works: [] };
}

export function hasWork(batch: Batch): boolean {
  return (
    batch.enqueues.length > 0 ||
    batch.records.length > 0 ||
    batch.settles.length > 0 ||
    batch.parks.length > 0 ||
    batch.emits.length > 0 ||
    batch.signals.length > 0 ||
    batch.works.length > 0
  );
}

/** Each entry alone. */
export function splitBatch(batch: Batch): readonly Batch[] {
  return [
    ...batch.enqueues.map((entry) => ({ ...emptyBatch(), enqueues: [entry] })),
    ...batch.records.map((entry) => ({ ...emptyBatch(), records: [entry] })),
    ...batch.settles.map((entry) => ({ ...emptyBatch(), settles: [entry] })),
    ...batch.parks.map((entry) => ({ ...emptyBatch(), parks: [entry] })),
    ...batch.emits.map((entry) => ({ ...emptyBatch(), emits: [entry] })),
    ...batch.signals.map((entry) => ({ ...emptyBatch(), signals: [entry] })),
    ...batch.works.map((entry) => ({ ...emptyBatch(), works: [entry] })),
  ];
}

export function ticketsOf(batch: Batch): readonly Ticket<never>[] {
  const { enqueues, records, settles, parks, emits, signals, works } = batch;
  return [...enqueues, ...records, ...settles, ...parks, ...emits, ...signals, ...works].map((entry) => entry.ticket);
}

/** What the batch emits or deletes, and what jobs are parked for: locked before anything else. */
export function eventNamesOf(batch: Batch): readonly string[] {
  const awaited = itemsOf(batch.parks).flatMap(({ waits }) =>
    waits.flatMap((wait) => (wait.kind === "event" ? [wait.eventName] : [])),
  );
  const deleted = batch.works.flatMap(({ eventNames }) => eventNames);
  return [...awaited, ...itemsOf(batch.emits).map(({ name }) => name), ...deleted];
}

/** All items of a list of entries. */
export function itemsOf<Item>(entries: readonly { readonly items: readonly Item[] }[]): readonly Item[] {
  return entries.length === 1
    ? (entries[0] as { readonly items: readonly Item[] }).items
    : entries.flatMap((one) => one.items);
}

/** Tells each entry its part of the answers. */
export function answer<Item, Answer>(entries: readonly Entry<Item, Answer>[], answers: readonly Answer[]): void {
  if (entries.length === 1) return (entries[0] as Entry<Item, Answer>).ticket.done(answers);
  let offset = 0;
  for (const entry of entries) entry.ticket.done(answers.slice(offset, (offset += entry.items.length)));
}
