import type { ScheduleStatus } from "../../core/schedule.ts";
import { tickAfter } from "../../core/schedule-ticks.ts";
import { changeSchedule } from "./change-schedule.ts";
import type { Engine } from "../engine.ts";

/** Ticks again, with the first one from now on. One that is active stays as it is. Throws not_found. */
export function resumeSchedule(engine: Engine, name: string): Promise<ScheduleStatus> {
  return changeSchedule(engine, name, (schedule, now) =>
    schedule.state === "ACTIVE" ? schedule : { ...schedule, state: "ACTIVE", nextRunAt: tickAfter(schedule.spec, now) },
  );
}
