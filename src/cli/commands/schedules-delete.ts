import { scheduleActionCommand } from "../calls/schedule-action.ts";

export const schedulesDelete = scheduleActionCommand({
  verb: "delete",
  done: "deleted",
  description: "Delete schedules. Their names can be reused; jobs that they enqueued are not affected.",
  call: async (client, name) => (await client.schedules.deleteSchedule({ name })).deleted,
  examples: [
    { command: "reseolio schedules delete daily-report", does: "delete one schedule" },
    {
      command: "reseolio schedules list -s paused -q | reseolio schedules delete - --yes",
      does: "delete all paused schedules",
    },
  ],
  notes: [],
});
