import type { ScheduleStatus } from "../../core/schedule.ts";
import type { Engine } from "../engine.ts";
import { changeSchedule } from "./change-schedule.ts";

/** Pauses a schedule: ticks enqueue nothing, and are not caught up later. Idempotent. Throws not_found. */
export function pauseSchedule(engine: Engine, name: string): Promise<ScheduleStatus> {
  return changeSchedule(engine, name, (schedule) =>
    schedule.state === "PAUSED" ? schedule : { ...schedule, state: "PAUSED", nextRunAt: null },
  );
}
