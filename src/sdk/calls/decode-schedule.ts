import { timestampDate } from "@bufbuild/protobuf/wkt";
import {
  CatchUp,
  Overlap,
  type Schedule,
  type ScheduleSpec,
  ScheduleState,
  type Tick,
} from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import type { LastJob, ScheduleDetails, ScheduleStatus, ScheduleTick } from "../schedule-details.ts";
import { decodeArgs } from "../serialization.ts";
import { dateOf, jobErrorOf, jobOptionsOf, jobStatusOf } from "./decode-job.ts";

export function scheduleDetailsOf(schedule: Schedule): ScheduleDetails {
  return {
    id: schedule.scheduleId,
    name: schedule.name,
    status: STATUSES[schedule.state],
    ...contentOf(schedule.spec),
    createdAt: dateOf(schedule.createdAt),
    updatedAt: dateOf(schedule.updatedAt),
    ...(schedule.nextRunAt === undefined ? {} : { nextRunAt: timestampDate(schedule.nextRunAt) }),
    ...(schedule.lastRunAt === undefined ? {} : { lastRunAt: timestampDate(schedule.lastRunAt) }),
    ...(schedule.lastJobId === "" ? {} : { lastJob: lastJobOf(schedule) }),
    skipped: Number(schedule.skipped),
  };
}

type Content = Pick<
  ScheduleDetails,
  | ("functionName" | "args" | "cron" | "timezone" | "catchUp" | "maxCatchUp")
  | ("overlap" | "jitterMs" | "startAt" | "endAt" | "jobOptions")
>;

function contentOf(spec: ScheduleSpec | undefined): Content {
  const functionName = spec?.functionName ?? "";
  return {
    functionName,
    args: decodeArgs(functionName, spec?.args ?? new Uint8Array()),
    cron: spec?.cron ?? "",
    timezone: spec?.timeZone ?? "",
    catchUp: CATCH_UPS[spec?.catchUp ?? CatchUp.UNSPECIFIED],
    maxCatchUp: spec?.maxCatchUp ?? DEFAULT_MAX_CATCH_UP,
    overlap: spec?.overlap === Overlap.SKIP ? "skip" : "allow",
    jitterMs: spec?.jitterMs ?? 0,
    ...(spec?.startAt === undefined ? {} : { startAt: timestampDate(spec.startAt) }),
    ...(spec?.endAt === undefined ? {} : { endAt: timestampDate(spec.endAt) }),
    jobOptions: jobOptionsOf(spec?.options),
  };
}

/** The protocol's default, for a daemon that leaves the field out. */
const DEFAULT_MAX_CATCH_UP = 100;

const CATCH_UPS = {
  [CatchUp.UNSPECIFIED]: "latest",
  [CatchUp.NONE]: "none",
  [CatchUp.LATEST]: "latest",
  [CatchUp.ALL]: "all",
} as const;

const STATUSES: Readonly<Record<ScheduleState, ScheduleStatus>> = {
  [ScheduleState.UNSPECIFIED]: "active",
  [ScheduleState.ACTIVE]: "active",
  [ScheduleState.PAUSED]: "paused",
  [ScheduleState.DELETED]: "deleted",
};

const STATES: Readonly<Record<ScheduleStatus, ScheduleState>> = {
  active: ScheduleState.ACTIVE,
  paused: ScheduleState.PAUSED,
  deleted: ScheduleState.DELETED,
};

export function scheduleStateOf(status: ScheduleStatus): ScheduleState {
  return STATES[status];
}

function lastJobOf(schedule: Schedule): LastJob {
  return {
    id: schedule.lastJobId,
    ...(schedule.lastJobState === 0 ? {} : { status: jobStatusOf(schedule.lastJobState) }),
    ...(schedule.lastJobError === undefined ? {} : { error: jobErrorOf(schedule.lastJobError) }),
  };
}

export function tickOf(tick: Tick): ScheduleTick {
  const { localTime, offsetChanged, inGap } = tick;
  return { at: dateOf(tick.at), localTime, offsetChanged, inGap };
}
