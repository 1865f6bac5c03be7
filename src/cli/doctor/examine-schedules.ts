import type { ScheduleStats } from "#proto/gen/reseolio/v1/daemon_service_pb.ts";
import { formatDuration } from "../text/duration.ts";
import { isOverdue, scheduleStatsText } from "../views/schedule-stats-view.ts";
import { type Finding, fine, wrong } from "./finding.ts";

export function examineSchedules(stats: ScheduleStats | undefined, now: number): Finding {
  if (stats !== undefined && isOverdue(stats)) {
    const message = `a tick is overdue by ${formatDuration(Number(stats.overdueMs))}`;
    const fix =
      "check the daemon's log for storage errors or overload; reseolio schedules list shows the overdue schedules";
    return wrong("schedules", message, fix);
  }
  return fine("schedules", scheduleStatsText(stats, now) ?? "none");
}
