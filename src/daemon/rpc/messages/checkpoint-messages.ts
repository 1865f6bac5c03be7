/** Converts checkpoints, waits and events between protobuf messages and core values. */
import { ERROR_REASONS, MAX_DURATION_MS, NO_BYTES } from "#proto/contract.ts";
import type { Event as EventMessage } from "#proto/gen/reseolio/v1/event_service_pb.ts";
import {
  type Checkpoint as CheckpointMessage,
  CheckpointKind as KindMessage,
  type JobError as JobErrorMessage,
  type PendingWait as PendingWaitMessage,
} from "#proto/gen/reseolio/v1/job_pb.ts";
import type {
  Failure,
  NewCheckpoint,
  Park,
  RecordedCheckpoint,
  RecordResult as RecordResultMessage,
  Wait,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type {
  Checkpoint,
  CheckpointKind,
  Event,
  FailureMarks,
  NewWait,
  PendingWait,
  RecordOrder,
  StepError,
} from "../../core/checkpoint.ts";
import { invalidArgument } from "../../core/errors.ts";
import { LAST_TIME } from "../../core/job-options.ts";
import type { Lease } from "../../core/job.ts";
import { isUuid } from "../../core/uuid.ts";
import type { ParkReport } from "../../engine/jobs/settle-attempts.ts";
import type { CheckpointReport, RecordResult } from "../../engine/workflows/record-checkpoints.ts";
import { fromSettleResult, toReportedError } from "./job-messages.ts";
import { fromMs, toMs } from "./timestamps.ts";

const KIND_WORDS = "STEP, SLEEP, EVENT, VALUE, CHOICE, JOB, SIGNAL, TRY, NOTE";

/** @throws DaemonError invalid_argument for a checkpoint of an unknown kind */
export function toCheckpointReport(message: NewCheckpoint, path: string): CheckpointReport {
  const { jobId, leaseToken, checkpoint } = message;
  if (checkpoint === undefined) {
    throw invalidArgument([{ field: `${path}.checkpoint`, description: "is missing" }]);
  }
  const kind = toKind(checkpoint.kind, `${path}.checkpoint.kind`);
  return {
    jobId,
    leaseToken,
    name: checkpoint.name,
    kind,
    value: checkpoint.value.byteLength === 0 ? null : checkpoint.value,
    error: checkpoint.error === undefined ? null : toRecordedError(kind, checkpoint.error),
    order: toOrder(checkpoint),
    awaitedJobId: toAwaitedId(message, `${path}.awaited_job_id`),
  };
}

/** Null for clients that keep no order. */
function toOrder(message: CheckpointMessage): RecordOrder | null {
  const { seq, asked, op, alone, prompt, beside, undo, endedAttempt } = message;
  return op === undefined ? null : { seq, asked, op, alone, prompt, beside, undo, endedAttempt };
}

/** The error of an awaited job includes its reason. */
function toRecordedError(kind: CheckpointKind, error: JobErrorMessage): StepError {
  const reason = ERROR_REASONS.find((one) => one === error.reason);
  return { ...toReportedError(error), ...(kind === "job" && reason !== undefined && { reason }) };
}

function toAwaitedId({ awaitedJobId }: NewCheckpoint, field: string): string | null {
  if (awaitedJobId === "") return null;
  if (isUuid(awaitedJobId)) return awaitedJobId;
  throw invalidArgument([{ field, description: `${JSON.stringify(awaitedJobId)} is not a valid job ID` }]);
}

/** Undefined if the failure does not refer to checkpoints. */
export function toFailureMarks({ endedBy, loosened }: Failure): FailureMarks | undefined {
  return endedBy.length + loosened.length === 0 ? undefined : { endedBy, loosened };
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
    case KindMessage.SIGNAL:
      return "signal";
    case KindMessage.TRY:
      return "try";
    case KindMessage.NOTE:
      return "note";
    case KindMessage.UNSPECIFIED:
    default:
      throw invalidArgument([{ field, description: `is ${kind}; valid values: ${KIND_WORDS}` }]);
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
    case "signal":
      return KindMessage.SIGNAL;
    case "try":
      return KindMessage.TRY;
    case "note":
      return KindMessage.NOTE;
  }
}

export function toParkReport({ waits, waitingNames, seq, asked, alone }: Park, path: string): ParkReport {
  return {
    kind: "park",
    waits: waits.map((wait, index) => toWait(wait, `${path}.waits[${index}]`)),
    waitingNames,
    order: seq === 0 ? undefined : { seq, asked, alone },
  };
}

function toWait({ name, awaited, timeoutMs, op, prompt, beside, sinceStart }: Wait, path: string): NewWait {
  const order = op === undefined ? undefined : { op, prompt, beside };
  switch (awaited.case) {
    case "sleepMs":
      return { name, order, kind: "sleep", sleepMs: toLength(awaited.value) };
    case "sleepUntil":
      return { name, order, kind: "sleep", sleepUntil: Math.min(toMs(awaited.value), LAST_TIME) };
    case "eventName":
      return {
        name,
        order,
        kind: "event",
        eventName: awaited.value,
        timeoutMs: timeoutMs === undefined ? null : toLength(timeoutMs),
        sinceStart,
      };
    case "jobId":
      if (!isUuid(awaited.value)) {
        const description = `${JSON.stringify(awaited.value)} is not a valid job ID`;
        throw invalidArgument([{ field: `${path}.job_id`, description }]);
      }
      return { name, order, kind: "job", awaitedJobId: awaited.value };
    case "signalName":
      return {
        name,
        order,
        kind: "signal",
        signalName: awaited.value,
        timeoutMs: timeoutMs === undefined ? null : toLength(timeoutMs),
      };
    case undefined:
      throw invalidArgument([
        {
          field: path,
          description: "awaits nothing; set one of sleep_ms, sleep_until, event_name, job_id and signal_name",
        },
      ]);
  }
}

/** Limits durations to the longest that can be stored. */
export function toLength(milliseconds: bigint): number {
  return Math.min(Number(milliseconds), MAX_DURATION_MS);
}

export function fromRecordResult({ result, message }: RecordResult): RecordResultMessage {
  return { $typeName: "reseolio.v1.RecordResult", result: fromSettleResult(result), message };
}

/** @param ofUndone whether the checkpoint belongs to the job that the leased job undoes */
export function toRecordedCheckpoint(
  { jobId, leaseToken }: Lease,
  checkpoint: Checkpoint,
  ofUndone = false,
): RecordedCheckpoint {
  return {
    $typeName: "reseolio.v1.RecordedCheckpoint",
    jobId,
    leaseToken,
    checkpoint: fromCheckpoint(checkpoint),
    ofUndone,
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
    ...(checkpoint.order ?? NO_ORDER),
    ...(error !== null && {
      error: {
        $typeName: "reseolio.v1.JobError" as const,
        ...error,
        stack: error.stack ?? "",
        reason: error.reason ?? "handler",
      },
    }),
  };
}

/** `op` is absent in a record without an order. */
const NO_ORDER = { seq: 0, asked: 0, alone: false, prompt: false, beside: false, undo: false, endedAttempt: false };

export function fromPendingWait({
  name,
  kind,
  dueAt,
  eventName,
  awaitedJobId,
  signalName,
}: PendingWait): PendingWaitMessage {
  return {
    $typeName: "reseolio.v1.PendingWait",
    name,
    kind: kindToProto(kind),
    eventName: eventName ?? "",
    jobId: awaitedJobId ?? "",
    signalName: signalName ?? "",
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
