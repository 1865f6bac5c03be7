import type { Paint } from "../terminal/color.ts";
import type { StateName } from "../text/job-states.ts";
import type { ScheduleStateName } from "../text/schedule-states.ts";

export const STATE_PAINT: Readonly<Record<StateName, Paint | undefined>> = {
  PENDING: "yellow",
  RUNNING: "cyan",
  SUSPENDED: "dim",
  SUCCESS: "green",
  DEAD: "red",
  CANCELLED: "dim",
};

export const SCHEDULE_STATE_PAINT: Readonly<Record<ScheduleStateName, Paint>> = {
  ACTIVE: "green",
  PAUSED: "yellow",
  DELETED: "dim",
};
