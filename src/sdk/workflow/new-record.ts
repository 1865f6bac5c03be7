import type { Checkpoint, CheckpointKind, JobError } from "#proto/gen/reseolio/v1/job_pb.ts";
import { stopped, takenOver } from "../worker/abort-reasons.ts";
import { ReseolioError } from "../errors.ts";
import type { ExecutionHost } from "./execution-host.ts";
import type { CheckpointRecord, RecordAnswer } from "../session/frame-items.ts";

/** What is recorded, without what the execution adds. */
export interface NewRecord {
  readonly name: string;
  readonly kind: CheckpointKind;
  readonly value: Uint8Array;
  /** Of a step that failed for good. */
  readonly error?: JobError;
}

/** As the daemon is told, under the lease that the handler runs under now. */
export function checkpointOf(
  host: ExecutionHost,
  { name, kind, value, error }: NewRecord,
): CheckpointRecord["checkpoint"] {
  const { jobId, leaseToken, failures } = host;
  const checkpoint: Checkpoint = {
    $typeName: "reseolio.v1.Checkpoint",
    name,
    kind,
    value,
    timedOut: false,
    failures: error === undefined ? 0 : failures,
    ...(error === undefined ? {} : { error }),
  };
  return { $typeName: "reseolio.v1.NewCheckpoint", jobId, leaseToken, checkpoint };
}

export function recordError(
  host: ExecutionHost,
  name: string,
  said: Exclude<RecordAnswer, { kind: "recorded" }>,
): Error {
  switch (said.kind) {
    case "stale":
      return host.abortReason ?? takenOver(host);
    case "closed":
      return host.abortReason ?? stopped();
    case "refused": {
      const what = `${host.functionName}: ${JSON.stringify(name)} cannot be recorded`;
      return new ReseolioError("resource_exhausted", `${what}: ${said.message}`);
    }
  }
}
