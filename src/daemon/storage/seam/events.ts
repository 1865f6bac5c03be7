/** The part of the seam about events that workflows wait for. */
import type { Event } from "../../core/checkpoint.ts";
import type { EndedWaits, ParkedJob } from "./workflows.ts";

export interface EventReads {
  get(name: string): Promise<Event | null>;
  /** Jobs that wait for an event that has not happened. */
  countWaiting(eventName: string): Promise<number>;
}

export interface EventWrites {
  /**
   * Call this before anything else in a transaction that emits these events or parks jobs for them: nobody else does
   * either until the transaction is over, so neither side can miss the other.
   */
  lock(names: readonly string[]): Promise<void>;
  /**
   * Keeps the first payload of each event, and the last, and ends at most `limit` waits for it; `spread` ends the
   * others. If the event had happened before, only waits that begin with their job are ended.
   */
  emit(events: readonly NewEvent[], limit: number): Promise<readonly EmitOutcome[]>;
  /** Continues with events that more jobs wait for than one call ends. */
  spread(limit: number): Promise<EndedWaits>;
  /**
   * Deletes at most `limit` events that were emitted before a time and that nobody waits for any more. If an event was
   * emitted again since then, its last emission becomes the first. Returns how many events it processed.
   */
  prune(emittedBefore: number, limit: number): Promise<number>;
  /** Forgets an event, but not while it is spreading. Call this under `lock`. */
  delete(name: string): Promise<EventDeletion>;
}

export interface NewEvent {
  readonly name: string;
  readonly payload: Uint8Array;
}

export interface EmitOutcome {
  /** The event as stored. */
  readonly event: Event;
  readonly created: boolean;
  /** Jobs that were waiting for it. */
  readonly waiting: number;
  readonly woken: readonly ParkedJob[];
}

export type EventDeletion = "deleted" | "unknown" | "spreading";
