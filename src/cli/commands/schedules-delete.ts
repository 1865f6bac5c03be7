import { scheduleActCommand } from "../calls/act-on-schedules.ts";

export const schedulesDelete = scheduleActCommand({
  verb: "delete",
  done: "deleted",
  description: "Delete schedules. Their names are free again; jobs that they enqueued stay as they are.",
  call: async (client, name) => (await client.schedules.deleteSchedule({ name })).deleted,
  examples: [
    { command: "reseolio schedules delete daily-report", does: "no more ticks" },
    {
      command: "reseolio schedules list -s paused -q | reseolio schedules delete - --yes",
      does: "all that are paused",
    },
  ],
  notes: [],
});
