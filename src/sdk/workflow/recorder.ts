/** Records what a handler is going to receive, before it receives it. */
import type { NewCheckpoint } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { Delivery, RecordPlace } from "../replay/delivery.ts";
import type { Operation } from "../replay/operation.ts";
import type { Pending, PendingPromises } from "../replay/pending-promises.ts";
import type { Replay } from "../replay/replay.ts";
import type { CheckpointRecord, RecordAnswer } from "../session/frames.ts";
import type { ExecutionHost } from "./execution-host.ts";
import { checkpointOf, type NewRecord, recordError } from "./new-record.ts";

/** Number of things under way while only one record is made: the recorded operation. */
const RECORDED = 1;
/** The same for a record that a step or a call makes: its own recording counts too. */
export const RECORDED_WITHIN = 2;

export interface RecorderPort {
  send(record: CheckpointRecord): void;
  /**
   * Whether the handler never continues, so that the record concerns nobody.
   *
   * @param label of the record
   * @param busy number of things under way if there is nothing else
   */
  isOver(label: string, busy: number): boolean;
  readonly isDropped: boolean;
}

export class Recorder {
  readonly #host: ExecutionHost;
  readonly #replay: Replay;
  readonly #pending: PendingPromises;
  readonly #port: RecorderPort;

  constructor(host: ExecutionHost, replay: Replay, pending: PendingPromises, port: RecorderPort) {
    this.#host = host;
    this.#replay = replay;
    this.#pending = pending;
    this.#port = port;
  }

  /** Resolves when the record is on disk and its turn to be delivered has come. */
  inPlace(operation: Operation, record: NewRecord): Promise<void> {
    return new Promise((resolve, reject) => {
      const placed = new PlacedRecord(this, operation, resolve, reject);
      this.#pending.add(placed);
      const place = this.#replay.place(operation, placed);
      // The job continues elsewhere.
      if (this.#port.isDropped) return;
      placed.checkpoint = checkpointOf(this.#host, operation.label, record, place);
      this.#port.send(placed);
    });
  }

  /**
   * Resolves when the record is on disk.
   *
   * @param place undefined without a recorded order
   * @param busy see RecorderPort
   */
  as(label: string, record: NewRecord, place: RecordPlace | undefined, busy = RECORDED): Promise<void> {
    return this.#pending.make((resolve, reject) => {
      if (this.#port.isDropped) return;
      const onAnswer = (answer: RecordAnswer): void => {
        if (!this.continues(label, answer, busy)) return;
        if (answer.kind === "recorded") resolve();
        else reject(recordError(this.#host, label, answer));
      };
      this.#port.send({ checkpoint: checkpointOf(this.#host, label, record, place), answer: onAnswer });
    });
  }

  /** Whether the handler is still there to receive the daemon's answer. */
  continues(label: string, answer: RecordAnswer, busy: number): boolean {
    return !this.#port.isDropped && (answer.kind !== "recorded" || !this.#port.isOver(label, busy));
  }

  /** For a pending record: the daemon has answered. */
  answered(placed: PlacedRecord, answer: RecordAnswer): void {
    const { label } = placed.operation;
    if (!this.continues(label, answer, RECORDED)) return;
    const { sequence } = this.#replay;
    if (answer.kind === "recorded") return sequence.ready(placed);
    placed.refusal = recordError(this.#host, label, answer);
    // It is not on record, so later records cannot be chained to it.
    placed.op = 0;
    sequence.ready(placed);
  }

  /** For a pending record: it is delivered to the handler. */
  give(placed: PlacedRecord): void {
    this.#pending.forget(placed);
    if (placed.refusal === undefined) placed.resolve();
    else placed.reject(placed.refusal);
  }
}

/** A record that is sent to the daemon and then, when its turn comes, delivered to the handler: one object for both. */
class PlacedRecord implements CheckpointRecord, Delivery, Pending {
  readonly id: number;
  op: number;
  isReady = false;
  refusal: Error | undefined;
  previous: Pending | undefined;
  next: Pending | undefined;
  checkpoint!: NewCheckpoint;

  readonly #recorder: Recorder;

  constructor(
    recorder: Recorder,
    readonly operation: Operation,
    readonly resolve: () => void,
    readonly reject: (reason: Error) => void,
  ) {
    this.#recorder = recorder;
    this.id = operation.id;
    this.op = operation.id;
  }

  answer(answer: RecordAnswer): void {
    this.#recorder.answered(this, answer);
  }

  give(): void {
    this.#recorder.give(this);
  }
}
