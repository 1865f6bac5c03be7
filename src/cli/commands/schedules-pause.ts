import { scheduleActionCommand } from "../calls/schedule-action.ts";

export const schedulesPause = scheduleActionCommand({
  verb: "pause",
  done: "paused",
  description: "Pause schedules. Ticks during the pause are skipped and not caught up.",
  call: async (client, name) => (await client.schedules.pauseSchedule({ name })).schedule !== undefined,
  examples: [
    { command: "reseolio schedules pause daily-report", does: "pause one schedule" },
    { command: "reseolio schedules list -q --all | reseolio schedules pause - --yes", does: "pause all schedules" },
  ],
  notes: ["Jobs that are already enqueued still run."],
});
