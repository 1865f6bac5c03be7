import { scheduleActCommand } from "../calls/act-on-schedules.ts";

export const schedulesResume = scheduleActCommand({
  verb: "resume",
  done: "resumed",
  description: "Resume paused schedules, from their next tick on.",
  call: async (client, name) => (await client.schedules.resumeSchedule({ name })).schedule !== undefined,
  examples: [{ command: "reseolio schedules resume daily-report", does: "tick again" }],
  notes: ["Ticks of the pause are gone; reseolio schedules backfill enqueues their jobs."],
});
