/** Types shared by operations and the sequence of deliveries. */
import type { Placed } from "./checkpoint-journal.ts";

/** The place of a record, in the fields of the protocol's Checkpoint. */
export interface Place {
  readonly seq: number;
  readonly asked: number;
  readonly alone: boolean;
}

/** The place that is recorded with a record; absent in a job without a recorded order. */
export interface RecordPlace extends Place {
  readonly prompt: boolean;
  readonly beside: boolean;
  /** Identity of the operation; 0 if it follows from the record before, or if the record belongs to no operation. */
  readonly op: number;
}

/** Something that is to be delivered to the handler. */
export interface Delivery {
  readonly id: number;
  /** The same identity, or 0 if it is not on record, so that no later record may be chained to it. */
  op: number;
  /** The answer to a call: not on record, so the next record is chained to the last one before it. */
  readonly isAnswer?: true;
  /** Its result has arrived. */
  isReady: boolean;
  give(): void;
}

export interface SequenceEvents {
  /** Everything on record has been delivered. */
  onLive(): void;
  /** The next record cannot be delivered yet. */
  onHeld(head: Placed): void;
}
