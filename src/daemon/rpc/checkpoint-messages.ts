/** Checkpoints, waits and events: proto messages to core values and back. */
import {
  type Checkpoint as CheckpointMessage,
  CheckpointKind as KindMessage,
  type PendingWait as PendingWaitMessage,
} from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Event as EventMessage } from "#proto/gen/reseolio/v1/event_service_pb.ts";
import type {
  NewCheckpoint,
  Park,
  RecordedCheckpoint,
  RecordResult as RecordResultMessage,
  Wait,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { Checkpoint, CheckpointKind, Event, NewWait, PendingWait } from "../core/checkpoint.ts";
import { invalidArgument } from "../core/errors.ts";
import { LAST_TIME, MAX_LENGTH_MS } from "../core/job-options.ts";
import type { Lease } from "../core/job.ts";
import type { CheckpointReport, RecordResult } from "../engine/workflows/record-checkpoints.ts";
import type { ParkReport } from "../engine/jobs/settle-attempts.ts";
import { isUuid } from "../engine/jobs/job-id.ts";
import { fromMs, toMs } from "./messages.ts";
import { fromSettleResult, toReportedError } from "./outcome-messages.ts";

const NO_BYTES = new Uint8Array(0);

/** @throws DaemonError invalid_argument for a checkpoint without a kind that this version knows */
export function toCheckpointReport(message: NewCheckpoint, path: string): CheckpointReport {
  const { jobId, leaseToken, checkpoint } = message;
  if (checkpoint === undefined) {
    throw invalidArgument([{ field: `${path}.checkpoint`, description: "is missing" }]);
  }
  return {
    jobId,
    leaseToken,
    name: checkpoint.name,
    kind: toKind(checkpoint.kind, `${path}.checkpoint.kind`),
    value: checkpoint.value.byteLength === 0 ? null : checkpoint.value,
    error: checkpoint.error === undefined ? null : toReportedError(checkpoint.error),
  };
}

function toKind(kind: KindMessage, field: string): CheckpointKind {
  switch (kind) {
    case KindMessage.STEP:
      return "step";
    case KindMessage.SLEEP:
      return "sleep";
    case KindMessage.EVENT:
      return "event";
    case KindMessage.VALUE:
      return "value";
    case KindMessage.CHOICE:
      return "choice";
    case KindMessage.JOB:
      return "job";
    case KindMessage.UNSPECIFIED:
    default:
      throw invalidArgument([{ field, description: `is ${kind}; give one of STEP, SLEEP, EVENT, VALUE, CHOICE, JOB` }]);
  }
}

export function kindToProto(kind: CheckpointKind): KindMessage {
  switch (kind) {
    case "step":
      return KindMessage.STEP;
    case "sleep":
      return KindMessage.SLEEP;
    case "event":
      return KindMessage.EVENT;
    case "value":
      return KindMessage.VALUE;
    case "choice":
      return KindMessage.CHOICE;
    case "job":
      return KindMessage.JOB;
  }
}

export function toParkReport({ waits, waitingNames }: Park, path: string): ParkReport {
  return { kind: "park", waits: waits.map((wait, index) => toWait(wait, `${path}.waits[${index}]`)), waitingNames };
}

function toWait({ name, awaited, timeoutMs }: Wait, path: string): NewWait {
  switch (awaited.case) {
    case "sleepMs":
      return { name, kind: "sleep", sleepMs: toLength(awaited.value) };
    case "sleepUntil":
      return { name, kind: "sleep", sleepUntil: Math.min(toMs(awaited.value), LAST_TIME) };
    case "eventName":
      return {
        name,
        kind: "event",
        eventName: awaited.value,
        timeoutMs: timeoutMs === undefined ? null : toLength(timeoutMs),
      };
    case "jobId":
      if (!isUuid(awaited.value)) {
        const description = `${JSON.stringify(awaited.value)} is not a job id`;
        throw invalidArgument([{ field: `${path}.job_id`, description }]);
      }
      return { name, kind: "job", awaitedJobId: awaited.value };
    case undefined:
      throw invalidArgument([
        { field: path, description: "awaits nothing; set one of sleep_ms, sleep_until, event_name and job_id" },
      ]);
  }
}

/** Longer ones last as long as anything can. */
export function toLength(milliseconds: bigint): number {
  return Math.min(Number(milliseconds), MAX_LENGTH_MS);
}

export function fromRecordResult({ result, message }: RecordResult): RecordResultMessage {
  return { $typeName: "reseolio.v1.RecordResult", result: fromSettleResult(result), message };
}

export function toRecordedCheckpoint({ jobId, leaseToken }: Lease, checkpoint: Checkpoint): RecordedCheckpoint {
  return {
    $typeName: "reseolio.v1.RecordedCheckpoint",
    jobId,
    leaseToken,
    checkpoint: fromCheckpoint(checkpoint),
  };
}

export function fromCheckpoint(checkpoint: Checkpoint): CheckpointMessage {
  const { name, kind, value, error, timedOut, failures, recordedAt } = checkpoint;
  return {
    $typeName: "reseolio.v1.Checkpoint",
    name,
    kind: kindToProto(kind),
    value: (value ?? NO_BYTES) as Uint8Array<ArrayBuffer>,
    timedOut,
    failures,
    recordedAt: fromMs(recordedAt),
    ...(error !== null && {
      error: { $typeName: "reseolio.v1.JobError" as const, ...error, stack: error.stack ?? "", reason: "handler" },
    }),
  };
}

export function fromPendingWait({ name, kind, dueAt, eventName, awaitedJobId }: PendingWait): PendingWaitMessage {
  return {
    $typeName: "reseolio.v1.PendingWait",
    name,
    kind: kindToProto(kind),
    eventName: eventName ?? "",
    jobId: awaitedJobId ?? "",
    ...(dueAt !== null && { dueAt: fromMs(dueAt) }),
  };
}

export function fromEvent({ name, payload, emittedAt }: Event): EventMessage {
  return {
    $typeName: "reseolio.v1.Event",
    name,
    payload: payload as Uint8Array<ArrayBuffer>,
    emittedAt: fromMs(emittedAt),
  };
}
