import { timestampDate } from "@bufbuild/protobuf/wkt";
import {
  CatchUp,
  Overlap,
  type Schedule,
  ScheduleState,
  type ScheduleSpec,
  type Tick,
} from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import { dateOf, type JobErrorDetails, jobErrorOf, jobOptionsOf, type JobStatus, jobStatusOf } from "./job-details.ts";
import type { ScheduleJobOptions } from "../options/schedule-options.ts";
import { decodeArgs } from "../serialization.ts";

/** Where a schedule stands. A deleted one is found by `listSchedules` only. */
export type ScheduleStatus = "active" | "paused" | "deleted";

/**
 * A stored schedule.
 *
 * @example
 * ```ts
 * const { nextRunAt, lastJob } = await reseolio.getSchedule("daily-report");
 * console.log(nextRunAt?.toISOString(), lastJob?.status, lastJob?.error?.message);
 * ```
 */
export interface ScheduleDetails {
  readonly id: string;
  readonly name: string;
  readonly status: ScheduleStatus;
  readonly functionName: string;
  /** Empty in a list. */
  readonly args: readonly unknown[];
  readonly cron: string;
  readonly timezone: string;
  readonly catchUp: "none" | "latest" | "all";
  readonly maxCatchUp: number;
  readonly overlap: "allow" | "skip";
  readonly jitterMs: number;
  readonly startAt?: Date;
  readonly endAt?: Date;
  readonly jobOptions: ScheduleJobOptions;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** Absent when no tick will come: paused, deleted, or past its end. */
  readonly nextRunAt?: Date;
  /** The latest tick that enqueued a job. */
  readonly lastRunAt?: Date;
  /** That job, as it stands now. */
  readonly lastJob?: LastJob;
  /** Ticks that enqueued nothing because an earlier job had not ended. */
  readonly skipped: number;
}

/** The job of a schedule's latest tick. */
export interface LastJob {
  readonly id: string;
  /** Absent when it is not kept any more. */
  readonly status?: JobStatus;
  readonly error?: JobErrorDetails;
}

/**
 * One tick to come.
 *
 * @example
 * ```ts
 * const { ticks } = await reseolio.previewSchedule({ cron: "30 2 * * *", timezone: "Europe/Berlin" }, { count: 3 });
 * for (const { at, localTime, inGap } of ticks) console.log(at.toISOString(), localTime, inGap ? "clocks change" : "");
 * ```
 */
export interface ScheduleTick {
  readonly at: Date;
  /** In the schedule's zone, ISO 8601 with its offset. */
  readonly localTime: string;
  /** The offset from UTC is not that of the tick before: clocks have changed. */
  readonly offsetChanged: boolean;
  /** Its wall-clock time does not exist on that day: it comes at the first valid instant. */
  readonly inGap: boolean;
}

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

/** Of the protocol, for a daemon that leaves it out. */
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
