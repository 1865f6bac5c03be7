import type { Checkpoint, CheckpointKind, JobError } from "#proto/gen/reseolio/v1/job_pb.ts";
import { ReseolioError } from "../errors.ts";
import type { RecordPlace } from "../replay/delivery.ts";
import type { CheckpointRecord, RecordAnswer } from "../session/frames.ts";
import { stopped, takenOver } from "./abort-reasons.ts";
import type { ExecutionHost } from "./execution-host.ts";

/** A record without what the execution adds. */
export interface NewRecord {
  readonly kind: CheckpointKind;
  readonly value: Uint8Array;
  /** Error of a failed step or of an awaited job that failed. */
  readonly error?: JobError;
  /** The handler never receives this failure: the next attempt tries the operation again. */
  readonly endedAttempt?: boolean;
  /** The step can be undone. */
  readonly undo?: boolean;
  readonly awaitedJobId?: string;
}

/** The place of a record that the handler does not receive. */
export const INTERNAL: RecordPlace = { seq: 0, asked: 0, alone: false, prompt: false, beside: false, op: 0 };

/** The record as sent to the daemon, under the lease that the handler runs under now. */
export function checkpointOf(
  host: ExecutionHost,
  name: string,
  { kind, value, error, endedAttempt = false, undo = false, awaitedJobId = "" }: NewRecord,
  place: RecordPlace | undefined,
): CheckpointRecord["checkpoint"] {
  const { leaseJobId, leaseToken, failures } = host;
  const checkpoint: Checkpoint = {
    $typeName: "reseolio.v1.Checkpoint",
    name,
    kind,
    value,
    timedOut: false,
    failures: error === undefined ? 0 : failures,
    seq: place?.seq ?? 0,
    asked: place?.asked ?? 0,
    alone: place?.alone ?? false,
    prompt: place?.prompt ?? false,
    beside: place?.beside ?? false,
    undo,
    endedAttempt,
  };
  if (place !== undefined) checkpoint.op = place.op;
  if (error !== undefined) checkpoint.error = error;
  return { $typeName: "reseolio.v1.NewCheckpoint", jobId: leaseJobId, leaseToken, checkpoint, awaitedJobId };
}

export function recordError(
  host: ExecutionHost,
  name: string,
  answer: Exclude<RecordAnswer, { kind: "recorded" }>,
): Error {
  switch (answer.kind) {
    case "stale":
      return host.abortReason ?? takenOver(host);
    case "closed":
      return host.abortReason ?? stopped();
    case "refused": {
      const what = `${host.functionName}: ${JSON.stringify(name)} cannot be recorded`;
      return new ReseolioError("resource_exhausted", `${what}: ${answer.message}`);
    }
  }
}
