import { tickAfter } from "../../core/schedule-ticks.ts";
import type { ScheduleStatus } from "../../core/schedule.ts";
import type { Engine } from "../engine.ts";
import { changeSchedule } from "./change-schedule.ts";

/** Resumes a schedule with its next tick from now. Idempotent. Throws not_found. */
export function resumeSchedule(engine: Engine, name: string): Promise<ScheduleStatus> {
  return changeSchedule(engine, name, (schedule, now) =>
    schedule.state === "ACTIVE" ? schedule : { ...schedule, state: "ACTIVE", nextRunAt: tickAfter(schedule.spec, now) },
  );
}
