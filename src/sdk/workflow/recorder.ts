/** Records what a handler is to be given, before it is given it. */
import type { NewCheckpoint } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { Delivery, RecordPlace } from "../replay/delivery.ts";
import type { Operation } from "../replay/operation.ts";
import type { Pending, PendingPromises } from "../replay/pending-promises.ts";
import type { Replay } from "../replay/replay.ts";
import type { CheckpointRecord, RecordAnswer } from "../session/frame-items.ts";
import type { ExecutionHost } from "./execution-host.ts";
import { checkpointOf, type NewRecord, recordError } from "./new-record.ts";

/** What counts as under way while a record is made that is alone: the operation that is recorded. */
const RECORDED = 1;
/** Of a record that a step or a call makes on its way: the recording too. */
export const RECORDED_WITHIN = 2;

export interface RecorderPort {
  send(record: CheckpointRecord): void;
  /**
   * What was recorded concerns nobody: the handler never goes on.
   *
   * @param label of what is on record now
   * @param busy how much of the handler is under way where that is all
   */
  isOver(label: string, busy: number): boolean;
  readonly isDropped: boolean;
}

export class Recorder {
  constructor(
    private readonly host: ExecutionHost,
    private readonly replay: Replay,
    private readonly pending: PendingPromises,
    private readonly port: RecorderPort,
  ) {}

  /** Ends when it is on disk and when it is its turn to be given to the handler. */
  inPlace(operation: Operation, record: NewRecord): Promise<void> {
    return new Promise((resolve, reject) => {
      const placed = new PlacedRecord(this, operation, resolve, reject);
      this.pending.add(placed);
      const place = this.replay.place(operation, placed);
      // The job goes on elsewhere.
      if (this.port.isDropped) return;
      placed.checkpoint = checkpointOf(this.host, operation.label, record, place);
      this.port.send(placed);
    });
  }

  /** Ends when it is on disk. @param place undefined in a job that keeps no order @param busy see RecorderPort */
  as(label: string, record: NewRecord, place: RecordPlace | undefined, busy = RECORDED): Promise<void> {
    return this.pending.make((resolve, reject) => {
      if (this.port.isDropped) return;
      const answer = (said: RecordAnswer): void => {
        if (!this.goesOn(label, said, busy)) return;
        if (said.kind === "recorded") resolve();
        else reject(recordError(this.host, label, said));
      };
      this.port.send({ checkpoint: checkpointOf(this.host, label, record, place), answer });
    });
  }

  /** The daemon has answered, and the handler is there to be told. */
  goesOn(label: string, said: RecordAnswer, busy: number): boolean {
    return !this.port.isDropped && (said.kind !== "recorded" || !this.port.isOver(label, busy));
  }

  /** For a record on its way: the daemon has answered. */
  answered(placed: PlacedRecord, said: RecordAnswer): void {
    const { label } = placed.operation;
    if (!this.goesOn(label, said, RECORDED)) return;
    const { sequence } = this.replay;
    if (said.kind === "recorded") return sequence.ready(placed);
    placed.refusal = recordError(this.host, label, said);
    // It is not on record: what is recorded behind it does not follow from it.
    placed.op = 0;
    sequence.ready(placed);
  }

  /** For a record on its way: it is given to the handler. */
  give(placed: PlacedRecord): void {
    this.pending.forget(placed);
    if (placed.refusal === undefined) placed.resolve();
    else placed.reject(placed.refusal);
  }
}

/** One record on its way to the daemon, and from there, when its turn comes, to the handler: one object for all of it. */
class PlacedRecord implements CheckpointRecord, Delivery, Pending {
  readonly id: number;
  op: number;
  isReady = false;
  refusal: Error | undefined;
  previous: Pending | undefined;
  next: Pending | undefined;
  checkpoint!: NewCheckpoint;

  constructor(
    private readonly recorder: Recorder,
    readonly operation: Operation,
    readonly resolve: () => void,
    readonly reject: (reason: Error) => void,
  ) {
    this.id = operation.id;
    this.op = operation.id;
  }

  answer(said: RecordAnswer): void {
    this.recorder.answered(this, said);
  }

  give(): void {
    this.recorder.give(this);
  }
}
