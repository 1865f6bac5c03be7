import { scheduleActionCommand } from "../calls/schedule-action.ts";

export const schedulesResume = scheduleActionCommand({
  verb: "resume",
  done: "resumed",
  description: "Resume paused schedules from their next tick on.",
  call: async (client, name) => (await client.schedules.resumeSchedule({ name })).schedule !== undefined,
  examples: [{ command: "reseolio schedules resume daily-report", does: "resume one schedule" }],
  notes: ["Ticks during the pause were skipped; reseolio schedules backfill enqueues their jobs."],
});
