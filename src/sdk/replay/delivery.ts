/** What passes between an operation and the order in which the handler is given things. */
import type { Placed } from "./checkpoint-journal.ts";

/** Where a record stands, as the protocol's Checkpoint has it. */
export interface Place {
  readonly seq: number;
  readonly asked: number;
  readonly alone: boolean;
}

/** What of a record's place goes on record with it; nothing in a job that keeps no order. */
export interface RecordPlace extends Place {
  readonly prompt: boolean;
  readonly beside: boolean;
  /** 0: follows from the record before, or belongs to no operation of the handler. */
  readonly op: number;
}

/** One thing on its way to the handler. */
export interface Delivery {
  readonly id: number;
  /** The same; 0: not on record, so that no record behind it may follow from it. */
  op: number;
  /** Of a call: not on record, and what is recorded next follows from what was recorded last. */
  readonly isAnswer?: true;
  /** What came of it is here. */
  isReady: boolean;
  give(): void;
}

export interface SequenceEvents {
  /** Everything on record has been given. */
  onLive(): void;
  /** The next on record cannot be given yet. */
  onHeld(head: Placed): void;
}
