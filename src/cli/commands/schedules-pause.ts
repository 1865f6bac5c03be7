import { scheduleActCommand } from "../calls/act-on-schedules.ts";

export const schedulesPause = scheduleActCommand({
  verb: "pause",
  done: "paused",
  description: "Pause schedules: ticks enqueue nothing until they are resumed, and are not caught up.",
  call: async (client, name) => (await client.schedules.pauseSchedule({ name })).schedule !== undefined,
  examples: [
    { command: "reseolio schedules pause daily-report", does: "no more jobs for now" },
    { command: "reseolio schedules list -q --all | reseolio schedules pause - --yes", does: "all of them" },
  ],
  notes: ["Jobs that are enqueued already run."],
});
