import type { DaemonError } from "../../core/errors.ts";
import type { Store } from "../../storage/seam/store.ts";
import type { StoredJob } from "../../storage/seam/workflows.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import type { LaneTransaction } from "./lane-transaction.ts";

/**
 * One kind of write that the commit lane batches. A verb exports its kind, and `create-engine.ts` lists all kinds in
 * the order in which a transaction applies them; the lane itself knows none by name.
 */
export interface WriteKind<Item, Answer> {
  readonly name: string;
  /** `apply` awaits the store before it reads the transaction's time: a remote store then saves a round trip. */
  readonly readsTimeLate: boolean;
  /** Applies all items of one commit; never called without items. Returns one answer per item, in order. */
  apply(lane: LaneTransaction, items: readonly Item[]): Promise<readonly Answer[]>;
  /** Events that the items emit, delete or wait for: the transaction locks them before anything else. */
  eventNames?(items: readonly Item[]): readonly string[];
  /** Fast path for a commit that holds nothing else. Null when it does not apply; then nothing is written. */
  applyAlone?(parts: AloneParts, items: readonly Item[]): Promise<AppliedAlone<Answer> | null>;
}

/** The parts that a fast path works with, as it has no transaction. */
export interface AloneParts {
  readonly store: Store;
  readonly dispatcher: Dispatcher;
}

export interface AppliedAlone<Answer> {
  /** Time of the commit, on the store's clock. */
  readonly at: number;
  readonly answers: readonly Answer[];
  /** New jobs. */
  readonly stored: readonly StoredJob[];
}

/** Called once, on the lane: after the commit is on disk, or with what prevented it. Must be short, must not throw. */
export interface Completion<T> {
  done(value: T): void;
  failed(error: DaemonError): void;
}

/** Adapts a completion's callbacks to a promise. */
export function toPromise<T>(submit: (completion: Completion<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => submit({ done: resolve, failed: reject }));
}
