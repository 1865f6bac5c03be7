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
   * To be called before anything else in a transaction that emits these events, or parks jobs for them: nobody else does
   * either until it is over, so that neither can miss the other.
   */
  lock(names: readonly string[]): Promise<void>;
  /**
   * Keeps the first payload of each event, and the last, and ends at most `limit` waits for it; `spread` ends those left.
   * Of an event that happened before, only waits that begin with their job learn.
   */
  emit(events: readonly NewEvent[], limit: number): Promise<readonly EmitOutcome[]>;
  /** Continues with events that more jobs wait for than one call ends. */
  spread(limit: number): Promise<EndedWaits>;
  /**
   * Deletes events emitted before a time that nobody waits for any more, at most `limit`; of one that was emitted again
   * since then the last emission becomes the first. Returns how many these were.
   */
  prune(emittedBefore: number, limit: number): Promise<number>;
  /** Forgets an event, but not while it is spreading. To be called under `lock`. */
  delete(name: string): Promise<EventDeletion>;
}

export interface NewEvent {
  readonly name: string;
  readonly payload: Uint8Array;
}

export interface EmitOutcome {
  /** As it is kept. */
  readonly event: Event;
  readonly created: boolean;
  /** Jobs that were waiting for it. */
  readonly waiting: number;
  readonly woken: readonly ParkedJob[];
}

export type EventDeletion = "deleted" | "unknown" | "spreading";
