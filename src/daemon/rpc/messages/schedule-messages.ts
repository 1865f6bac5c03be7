/** Converts schedules between protobuf messages and core values. */
import { type Job as JobMessage, JobState as JobStateMessage } from "#proto/gen/reseolio/v1/job_pb.ts";
import {
  CatchUp as CatchUpMessage,
  Overlap as OverlapMessage,
  type Schedule as ScheduleMessage,
  type ScheduleSpec as ScheduleSpecMessage,
  ScheduleState as ScheduleStateMessage,
  type Tick as TickMessage,
} from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import type { ScheduleSpecInput } from "../../core/schedule-spec.ts";
import type { CatchUp, JobTick, Overlap, ScheduleSpec, ScheduleState, ScheduleStatus } from "../../core/schedule.ts";
import type { PreviewedTick } from "../../engine/schedules/preview-schedule.ts";
import { fromJobError, inShort, jobStateToProto } from "./job-messages.ts";
import { fromJobOptions, toJobOptions } from "./option-messages.ts";
import { fromMs, toMs } from "./timestamps.ts";
import { unknownEnumValue } from "./unknown-enum-value.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Absent fields stay absent. @throws DaemonError invalid_argument for an enum value that this version does not know */
export function toScheduleSpec(message: ScheduleSpecMessage | undefined): ScheduleSpecInput {
  if (message === undefined) return {};
  const spec: Mutable<ScheduleSpecInput> = {};
  if (message.cron !== "") spec.cron = message.cron;
  if (message.timeZone !== "") spec.timeZone = message.timeZone;
  if (message.functionName !== "") spec.functionName = message.functionName;
  if (message.args !== undefined) spec.args = message.args;
  if (message.options !== undefined) spec.options = toJobOptions(message.options, "spec");
  if (message.catchUp !== CatchUpMessage.UNSPECIFIED) spec.catchUp = toCatchUp(message.catchUp);
  if (message.maxCatchUp !== undefined) spec.maxCatchUp = message.maxCatchUp;
  if (message.overlap !== OverlapMessage.UNSPECIFIED) spec.overlap = toOverlap(message.overlap);
  if (message.jitterMs !== undefined) spec.jitterMs = message.jitterMs;
  if (message.startAt !== undefined) spec.startAt = toMs(message.startAt);
  if (message.endAt !== undefined) spec.endAt = toMs(message.endAt);
  return spec;
}

function toCatchUp(value: CatchUpMessage): CatchUp {
  switch (value) {
    case CatchUpMessage.NONE:
      return "none";
    case CatchUpMessage.ALL:
      return "all";
    case CatchUpMessage.LATEST:
    case CatchUpMessage.UNSPECIFIED:
      return "latest";
    default:
      throw unknownEnumValue("spec.catch_up", value, CatchUpMessage);
  }
}

function toOverlap(value: OverlapMessage): Overlap {
  switch (value) {
    case OverlapMessage.SKIP:
      return "skip";
    case OverlapMessage.ALLOW:
    case OverlapMessage.UNSPECIFIED:
      return "allow";
    default:
      throw unknownEnumValue("spec.overlap", value, OverlapMessage);
  }
}

export function toScheduleState(state: ScheduleStateMessage, index: number): ScheduleState {
  switch (state) {
    case ScheduleStateMessage.ACTIVE:
      return "ACTIVE";
    case ScheduleStateMessage.PAUSED:
      return "PAUSED";
    case ScheduleStateMessage.DELETED:
      return "DELETED";
    default:
      throw unknownEnumValue(`states[${index}]`, state, ScheduleStateMessage);
  }
}

export function fromScheduleStatus({ schedule, lastJob }: ScheduleStatus): ScheduleMessage {
  const error = lastJob?.error ?? null;
  return {
    $typeName: "reseolio.v1.Schedule",
    scheduleId: schedule.scheduleId,
    name: schedule.name,
    state: scheduleStateToProto(schedule.state),
    spec: fromScheduleSpec(schedule.spec),
    createdAt: fromMs(schedule.createdAt),
    updatedAt: fromMs(schedule.updatedAt),
    lastJobId: schedule.lastJobId ?? "",
    lastJobState: lastJob === null ? JobStateMessage.UNSPECIFIED : jobStateToProto(lastJob.state),
    skipped: BigInt(schedule.skipped),
    ...(schedule.nextRunAt !== null && { nextRunAt: fromMs(schedule.nextRunAt) }),
    ...(schedule.lastRunAt !== null && { lastRunAt: fromMs(schedule.lastRunAt) }),
    ...(error !== null && { lastJobError: fromJobError(error) }),
  };
}

/** A row of a list: without args and with a short error, so that a page of 1,000 fits into one message. */
export function fromListedSchedule(status: ScheduleStatus): ScheduleMessage {
  const message = fromScheduleStatus(status);
  delete message.spec?.args;
  const error = status.lastJob?.error ?? null;
  if (error !== null) message.lastJobError = inShort(error);
  return message;
}

function fromScheduleSpec(spec: ScheduleSpec): ScheduleSpecMessage {
  const { startWithinMs, finishWithinMs } = spec.options;
  return {
    $typeName: "reseolio.v1.ScheduleSpec",
    cron: spec.cron,
    timeZone: spec.timeZone,
    functionName: spec.functionName,
    args: spec.args,
    options: {
      ...fromJobOptions(spec.options),
      ...(startWithinMs !== null && { startWithinMs: BigInt(startWithinMs) }),
      ...(finishWithinMs !== null && { finishWithinMs: BigInt(finishWithinMs) }),
    },
    catchUp: CATCH_UPS[spec.catchUp],
    maxCatchUp: spec.maxCatchUp,
    overlap: OVERLAPS[spec.overlap],
    jitterMs: spec.jitterMs,
    ...(spec.startAt !== null && { startAt: fromMs(spec.startAt) }),
    ...(spec.endAt !== null && { endAt: fromMs(spec.endAt) }),
  };
}

const CATCH_UPS: Readonly<Record<CatchUp, CatchUpMessage>> = {
  none: CatchUpMessage.NONE,
  latest: CatchUpMessage.LATEST,
  all: CatchUpMessage.ALL,
};

const OVERLAPS: Readonly<Record<Overlap, OverlapMessage>> = {
  allow: OverlapMessage.ALLOW,
  skip: OverlapMessage.SKIP,
};

function scheduleStateToProto(state: ScheduleState): ScheduleStateMessage {
  switch (state) {
    case "ACTIVE":
      return ScheduleStateMessage.ACTIVE;
    case "PAUSED":
      return ScheduleStateMessage.PAUSED;
    case "DELETED":
      return ScheduleStateMessage.DELETED;
  }
}

export function fromTick({ at, offsetMs, offsetChanged, isInGap }: PreviewedTick): TickMessage {
  return {
    $typeName: "reseolio.v1.Tick",
    at: fromMs(at),
    localTime: localTime(at, offsetMs),
    offsetChanged,
    inGap: isInGap,
  };
}

/** ISO 8601 with whole seconds and the UTC offset. */
function localTime(at: number, offsetMs: number): string {
  const face = new Date(at + offsetMs).toISOString().slice(0, 19);
  const minutes = Math.floor(Math.abs(offsetMs) / 60_000);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${face}${offsetMs < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

/** The fields of a job that identify its schedule and tick. */
export function tickFields(tick: JobTick | undefined): Partial<Pick<JobMessage, "scheduleName" | "scheduledAt">> {
  if (tick === undefined) return {};
  const { scheduleName, tickAt } = tick;
  return tickAt === null ? { scheduleName } : { scheduleName, scheduledAt: fromMs(tickAt) };
}
