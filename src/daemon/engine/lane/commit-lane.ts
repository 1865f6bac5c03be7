import { DaemonError } from "../../core/errors.ts";
import type { Transition } from "../../core/job-machine.ts";
import type { Store, Transaction } from "../../storage/seam/store.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import { type ChangeFeed, type Committed, toChanges } from "./change-feed.ts";
import { type LaneTransaction, openLaneTransaction } from "./lane-transaction.ts";
import { type Work, workKind } from "./work-kind.ts";
import { type Completion, toPromise, type WriteKind } from "./write-kind.ts";

export interface CommitLaneOptions {
  readonly store: Store;
  readonly dispatcher: Dispatcher;
  readonly changes: ChangeFeed;
  /** The kinds of writes, in the order in which a transaction applies them; work of `run` comes last. */
  readonly kinds: readonly WriteKind<unknown, unknown>[];
  /** Runs at the end of every transaction, before the claims. */
  readonly beforeClaims: (lane: LaneTransaction) => Promise<void>;
  /** Called when the store fails such that the daemon must stop. */
  readonly onFatal: (error: DaemonError) => void;
  /** Makes IDs of undo jobs. */
  readonly newJobId: () => string;
  /** Called after each commit with its duration and its transitions. */
  readonly onCommit?: ((milliseconds: number, applied: readonly Transition[]) => void) | undefined;
}

type AnyKind = WriteKind<unknown, unknown>;

/** Items of one kind that a transaction applies together. */
interface Group {
  /** Position of the kind in the lane's list. */
  readonly position: number;
  readonly kind: AnyKind;
  readonly items: readonly unknown[];
}

/**
 * Group commit: everything that arrives while a commit is in progress goes into the next transaction, which applies the
 * writes kind by kind and then claims jobs for the slots that are free. A single write commits at once. Callers are
 * answered only after their commit is on disk.
 */
export class CommitLane {
  readonly #options: CommitLaneOptions;
  readonly #kinds: readonly AnyKind[];
  #next: Batch;
  #wakeRequested = false;
  #running = false;
  #closed = false;
  #idle: Promise<void> = Promise.resolve();

  constructor(options: CommitLaneOptions) {
    this.#options = options;
    this.#kinds = [...options.kinds, workKind];
    this.#next = new Batch(this.#kinds.length);
  }

  /** Puts items into the next transaction; they succeed or fail together. */
  submit<Item, Answer>(
    kind: WriteKind<Item, Answer>,
    items: readonly Item[],
    completion: Completion<readonly Answer[]>,
  ): void {
    if (this.#closed) {
      completion.failed(new DaemonError("unavailable", "the daemon is stopping; connect again and repeat the call"));
      return;
    }
    this.#next.add(this.#kinds.indexOf(kind), { items, completion });
    this.#schedule();
  }

  /** Submits items and resolves to their answers. */
  write<Item, Answer>(kind: WriteKind<Item, Answer>, items: readonly Item[]): Promise<readonly Answer[]> {
    return toPromise((completion) => this.submit(kind, items, completion));
  }

  /**
   * Runs `run` in the next transaction. When it throws, the rest of the batch is tried again without it.
   *
   * @param eventNames events that it writes
   */
  run<T>(run: (lane: LaneTransaction) => Promise<T>, eventNames: readonly string[] = []): Promise<T> {
    const work: Work = { eventNames, run };
    return new Promise((resolve, reject) => {
      this.submit(workKind, [work], { done: ([result]) => resolve(result as T), failed: reject });
    });
  }

  /** Claims jobs even if nothing is to be written: slots may have become free, or jobs ready. */
  wake(): void {
    if (this.#closed) return;
    this.#wakeRequested = true;
    this.#schedule();
  }

  /** Refuses new writes and waits for those in progress. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#idle;
  }

  #schedule(): void {
    if (this.#running) return;
    this.#running = true;
    // After the poll phase: what other connections sent in the same turn joins this commit.
    this.#idle = new Promise((resolve) => setImmediate(() => void this.#drain().finally(resolve)));
  }

  async #drain(): Promise<void> {
    while (this.#next.size > 0 || (this.#wakeRequested && this.#options.dispatcher.hasDemand())) {
      const batch = this.#next;
      this.#next = new Batch(this.#kinds.length);
      this.#wakeRequested = false;
      await this.#commit(batch);
      // Lets sockets be read between commits; their messages go into the next one.
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#wakeRequested = false;
    this.#running = false;
  }

  async #commit(batch: Batch): Promise<void> {
    const startedAt = performance.now();
    let committed: Committed;
    try {
      committed = (await this.#applyAlone(batch)) ?? (await this.#transact(batch));
    } catch (cause) {
      // The claims were rolled back, so their functions still have ready jobs.
      this.#options.dispatcher.markAllReady();
      await this.#fail(batch, toDaemonError(cause));
      return;
    }
    this.#options.onCommit?.(performance.now() - startedAt, committed.applied);
    this.#publish(batch, committed);
  }

  /** Takes the fast path of the batch's only kind; null when there is none, or it does not apply. */
  async #applyAlone(batch: Batch): Promise<Committed | null> {
    const only = batch.onlyKind();
    const kind = this.#kinds[only];
    if (kind?.applyAlone === undefined) return null;
    const done = await kind.applyAlone(this.#options, batch.itemsOf(only));
    if (done === null) return null;
    // A slot may have become free meanwhile.
    this.#wakeRequested = true;
    const answers = this.#kinds.map((_, index) => (index === only ? done.answers : NO_ANSWERS));
    return { at: done.at, answers, stored: done.stored, applied: [], resumed: [], claimed: [] };
  }

  #transact(batch: Batch): Promise<Committed> {
    const groups: Group[] = [];
    for (let position = 0; position < this.#kinds.length; position++) {
      const items = batch.itemsOf(position);
      if (items.length > 0) groups.push({ position, kind: this.#kinds[position] as AnyKind, items });
    }
    const readsTimeLate = groups.some(({ kind }) => kind.readsTimeLate);
    return this.#options.store.transact((tx) => this.#apply(tx, groups), { readsTimeLate });
  }

  async #apply(tx: Transaction, groups: readonly Group[]): Promise<Committed> {
    const { dispatcher, newJobId, beforeClaims } = this.#options;
    const eventNames = groups.flatMap(({ kind, items }) => kind.eventNames?.(items) ?? NO_NAMES);
    if (eventNames.length > 0) await tx.events.lock(eventNames);
    const { lane, writes } = openLaneTransaction(tx, dispatcher, newJobId);
    const answers = this.#kinds.map(() => NO_ANSWERS);
    for (const { position, kind, items } of groups) answers[position] = await kind.apply(lane, items);
    await beforeClaims(lane);
    for (const transition of writes.transitions) dispatcher.onTransition(transition, tx.now);
    for (const { functionName } of writes.undoJobs) dispatcher.markReady(functionName);
    const stored = [...writes.stored, ...writes.undoJobs];
    const { resumed, claimed } = await this.#claim(tx);
    return { at: tx.now, answers, stored, applied: writes.transitions, resumed, claimed };
  }

  /** Parked handlers resume before new jobs start. */
  async #claim(tx: Transaction): Promise<Pick<Committed, "resumed" | "claimed">> {
    const { dispatcher } = this.#options;
    const resumes = dispatcher.planResumes();
    const resumed = resumes.length > 0 ? await tx.jobs.resume(resumes) : [];
    dispatcher.onResumed(resumes, resumed);
    const demands = dispatcher.planClaims(resumed);
    const claimed = demands.length > 0 ? await tx.jobs.claim(demands) : [];
    dispatcher.onClaimed(demands, claimed);
    return { resumed, claimed };
  }

  /** Callers first, then workers, then those who watch or await jobs. */
  #publish(batch: Batch, committed: Committed): void {
    const { dispatcher, changes } = this.#options;
    for (const [index, answers] of committed.answers.entries()) batch.answer(index, answers);
    dispatcher.notifyWorkers(committed.applied, committed.resumed, committed.claimed);
    changes.publish(toChanges(committed, changes.isWatched));
  }

  /** Tries a batch of several entries again one by one, so that one bad entry does not fail the others. */
  async #fail(batch: Batch, error: DaemonError): Promise<void> {
    if (error.code === "fatal") this.#options.onFatal(error);
    if (!isTransient(error) && batch.size > 1) {
      for (const part of batch.split()) await this.#commit(part);
      return;
    }
    batch.fail(error);
  }
}

const NO_ANSWERS: readonly unknown[] = [];
const NO_NAMES: readonly string[] = [];

/** Whether the commit failed for a reason other than its contents, so that splitting it would not help. */
export function isTransient({ code }: DaemonError): boolean {
  return code === "unavailable" || code === "resource_exhausted" || code === "fatal";
}

function toDaemonError(cause: unknown): DaemonError {
  if (cause instanceof DaemonError) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  return new DaemonError("internal", `the store refused a transaction: ${text}`, { cause });
}

/** Items of one caller, all of one kind, and where their answers go. */
export interface Entry {
  readonly items: readonly unknown[];
  readonly completion: Completion<readonly unknown[]>;
}

const NO_ITEMS: readonly unknown[] = [];

/** The entries of one transaction, by the position of their kind in the lane's list. */
class Batch {
  readonly #byKind: readonly Entry[][];
  #size = 0;

  constructor(kindCount: number) {
    this.#byKind = Array.from({ length: kindCount }, () => []);
  }

  /** Number of entries of all kinds. One without items counts too, because its caller waits for the commit. */
  get size(): number {
    return this.#size;
  }

  add(kind: number, entry: Entry): void {
    this.#entriesOf(kind).push(entry);
    this.#size++;
  }

  /** Concatenates the items of all entries of a kind. */
  itemsOf(kind: number): readonly unknown[] {
    const entries = this.#entriesOf(kind);
    if (entries.length === 0) return NO_ITEMS;
    return entries.length === 1 ? (entries[0] as Entry).items : entries.flatMap((entry) => entry.items);
  }

  /** The kind of all entries; -1 if there are none, or several kinds. */
  onlyKind(): number {
    return this.#size === 0 ? -1 : this.#byKind.findIndex((entries) => entries.length === this.#size);
  }

  /** Gives each entry of a kind its part of the answers. */
  answer(kind: number, answers: readonly unknown[]): void {
    const entries = this.#entriesOf(kind);
    if (entries.length === 1) return (entries[0] as Entry).completion.done(answers);
    let offset = 0;
    for (const entry of entries) entry.completion.done(answers.slice(offset, (offset += entry.items.length)));
  }

  fail(error: Parameters<Entry["completion"]["failed"]>[0]): void {
    for (const entries of this.#byKind) for (const { completion } of entries) completion.failed(error);
  }

  /** One batch per entry. */
  split(): readonly Batch[] {
    return this.#byKind.flatMap((entries, kind) =>
      entries.map((entry) => {
        const part = new Batch(this.#byKind.length);
        part.add(kind, entry);
        return part;
      }),
    );
  }

  #entriesOf(kind: number): Entry[] {
    return this.#byKind[kind] as Entry[];
  }
}
