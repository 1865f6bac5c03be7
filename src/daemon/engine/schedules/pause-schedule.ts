import type { ScheduleStatus } from "../../core/schedule.ts";
import { changeSchedule } from "./change-schedule.ts";
import type { Engine } from "../engine.ts";

/** Ticks from now on enqueue nothing, and are not caught up. One that is paused stays so. Throws not_found. */
export function pauseSchedule(engine: Engine, name: string): Promise<ScheduleStatus> {
  return changeSchedule(engine, name, (schedule) =>
    schedule.state === "PAUSED" ? schedule : { ...schedule, state: "PAUSED", nextRunAt: null },
  );
}
