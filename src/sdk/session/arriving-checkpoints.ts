import type { Checkpoint } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Assignment, RecordedCheckpoint } from "#proto/gen/reseolio/v1/session_service_pb.ts";

export interface ArrivedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** It belongs to the job whose steps are undone. */
  readonly ofUndone: boolean;
}

/** Holds checkpoints that arrive before their assignment: a job may have more than fit into one frame. */
export class ArrivingCheckpoints {
  readonly #arrived = new Map<string, { readonly leaseToken: number; readonly checkpoints: ArrivedCheckpoint[] }>();

  add(recorded: readonly RecordedCheckpoint[]): void {
    for (const { jobId, leaseToken, checkpoint, ofUndone } of recorded) {
      if (checkpoint === undefined) continue;
      const known = this.#arrived.get(jobId);
      const arrived: ArrivedCheckpoint = { checkpoint, ofUndone };
      if (known?.leaseToken === leaseToken) known.checkpoints.push(arrived);
      else this.#arrived.set(jobId, { leaseToken, checkpoints: [arrived] });
    }
  }

  /** Removes and returns all that arrived for this lease. */
  take({ jobId, leaseToken, checkpointCount }: Assignment): readonly ArrivedCheckpoint[] {
    if (checkpointCount === 0) return NONE;
    const known = this.#arrived.get(jobId);
    this.#arrived.delete(jobId);
    return known?.leaseToken === leaseToken ? known.checkpoints : NONE;
  }

  clear(): void {
    this.#arrived.clear();
  }
}

const NONE: readonly ArrivedCheckpoint[] = [];
