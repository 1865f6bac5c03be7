import type { ServiceImpl } from "@connectrpc/connect";
import type { BackfillScheduleRequest, ScheduleService } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import { invalidArgument } from "../../core/errors.ts";
import type { Engine } from "../../engine/engine.ts";
import { type BackfillRequest, backfillSchedule } from "../../engine/schedules/backfill-schedule.ts";
import { createSchedule } from "../../engine/schedules/create-schedule.ts";
import { deleteSchedule } from "../../engine/schedules/delete-schedule.ts";
import { pauseSchedule } from "../../engine/schedules/pause-schedule.ts";
import { previewSchedule } from "../../engine/schedules/preview-schedule.ts";
import { getSchedule, listSchedules } from "../../engine/schedules/read-schedules.ts";
import { resumeSchedule } from "../../engine/schedules/resume-schedule.ts";
import { triggerSchedule } from "../../engine/schedules/trigger-schedule.ts";
import { updateSchedule } from "../../engine/schedules/update-schedule.ts";
import {
  fromListedSchedule,
  fromScheduleStatus,
  fromTick,
  toScheduleSpec,
  toScheduleState,
} from "../messages/schedule-messages.ts";
import { toMs } from "../messages/timestamps.ts";

/** ScheduleService: decodes the request, calls the engine function of the same name, encodes the result. */
export function createScheduleService(engine: Engine): ServiceImpl<typeof ScheduleService> {
  return {
    createSchedule: async ({ name, spec }) => {
      const { schedule, created } = await createSchedule(engine, name, toScheduleSpec(spec));
      const status = created ? { schedule, lastJob: null } : await getSchedule(engine, schedule.name);
      return { schedule: fromScheduleStatus(status), created };
    },
    getSchedule: async ({ name }) => ({ schedule: fromScheduleStatus(await getSchedule(engine, name)) }),
    listSchedules: async ({ states, functionName, pageSize, pageToken }) => {
      const request = { states: states.map(toScheduleState), functionName, pageSize, pageToken };
      const { schedules, nextPageToken, total } = await listSchedules(engine, request);
      return { schedules: schedules.map(fromListedSchedule), nextPageToken, total };
    },
    updateSchedule: async ({ name, spec, clearFields }) => {
      const status = await updateSchedule(engine, name, toScheduleSpec(spec), clearFields);
      return { schedule: fromScheduleStatus(status) };
    },
    pauseSchedule: async ({ name }) => ({ schedule: fromScheduleStatus(await pauseSchedule(engine, name)) }),
    resumeSchedule: async ({ name }) => ({ schedule: fromScheduleStatus(await resumeSchedule(engine, name)) }),
    deleteSchedule: async ({ name }) => ({ deleted: await deleteSchedule(engine, name) }),
    triggerSchedule: async ({ name, jobId }) => ({
      jobId: await triggerSchedule(engine, name, jobId === "" ? null : jobId),
    }),
    previewSchedule: async ({ name, spec, after, count }) => {
      const from = after === undefined ? null : toMs(after);
      const { ticks, timeZone } = await previewSchedule(engine, {
        name,
        rule: toScheduleSpec(spec),
        after: from,
        count,
      });
      return { ticks: ticks.map(fromTick), timeZone };
    },
    backfillSchedule: async (request) => {
      const { count, jobIds, nextPageToken } = await backfillSchedule(engine, toBackfillRequest(request));
      return { count, jobIds: [...jobIds], nextPageToken };
    },
  };
}

function toBackfillRequest(request: BackfillScheduleRequest): BackfillRequest {
  const { name, from, to, dryRun, pageSize, pageToken } = request;
  if (from === undefined) {
    const description = "is missing; set the time of the first tick, such as 2026-01-01T00:00:00Z";
    throw invalidArgument([{ field: "from", description }]);
  }
  return { name, from: toMs(from), to: to === undefined ? null : toMs(to), dryRun, pageSize, pageToken };
}
