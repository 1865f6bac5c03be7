/** Records what a handler is to be given, before it is given it. */
import type { RecordAnswer } from "../session/frame-items.ts";
import type { ExecutionHost } from "./execution-host.ts";
import type { RecordPlace } from "../replay/delivery.ts";
import { checkpointOf, type NewRecord, recordError } from "./new-record.ts";
import type { Operation } from "../replay/operation.ts";
import type { PendingPromises } from "../replay/pending-promises.ts";
import type { Replay } from "../replay/replay.ts";
import type { CheckpointRecord } from "../session/frame-items.ts";

export interface RecorderPort {
  send(record: CheckpointRecord): void;
  /** What was recorded concerns nobody: the handler never goes on. @param label of what is on record now */
  isOver(label: string): boolean;
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
    return this.pending.make((resolve, reject) => {
      const { place, delivery } = this.replay.place(operation, resolve);
      const { sequence } = this.replay;
      this.#send(operation.label, record, place, (refusal) => {
        if (refusal === undefined) sequence.ready(delivery);
        else sequence.readyWithout(delivery, () => reject(refusal));
      });
    });
  }

  /** Ends when it is on disk. @param place undefined in a job that keeps no order */
  as(label: string, record: NewRecord, place: RecordPlace | undefined): Promise<void> {
    return this.pending.make((resolve, reject) => {
      this.#send(label, record, place, (refusal) => (refusal === undefined ? resolve() : reject(refusal)));
    });
  }

  /** @param onAnswer told why it was refused; not called when the handler must not go on */
  #send(
    label: string,
    record: NewRecord,
    place: RecordPlace | undefined,
    onAnswer: (refusal: Error | undefined) => void,
  ): void {
    // The job goes on elsewhere.
    if (this.port.isDropped) return;
    const answer = (said: RecordAnswer): void => {
      if (this.port.isDropped) return;
      if (said.kind !== "recorded") onAnswer(recordError(this.host, label, said));
      else if (!this.port.isOver(label)) onAnswer(undefined);
    };
    this.port.send({ checkpoint: checkpointOf(this.host, label, record, place), answer });
  }
}
