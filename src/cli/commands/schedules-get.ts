import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { defineCommand } from "../command.ts";
import { CliError } from "../exit.ts";
import { checkScheduleName, NAME_FORMAT_FLAGS } from "../flags/schedule-flags.ts";
import { scheduleRecord } from "../views/schedule-view.ts";

export const schedulesGet = defineCommand({
  meta: {
    name: "schedules get",
    description: "Show everything about a schedule: its rule, its next tick, and the state of its last job.",
  },
  args: { ...NAME_FORMAT_FLAGS, ...CONNECTION_FLAGS },
  operands: [{ name: "NAME", description: "Schedule name", required: true }],
  examples: [
    { command: "reseolio schedules get daily-report", does: "a schedule by its name" },
    { command: "reseolio schedules get daily-report --json | jq .lastJob.state", does: "for a program" },
  ],
  notes: [
    "reseolio jobs list --schedule NAME lists its jobs. In a pipe without --json, prints one line per field: name, tab, value.",
  ],
  async run(context) {
    const name = checkScheduleName(context.operands[0] ?? "");
    await withClient(context, async (client) => {
      const { schedule } = await client.schedules.getSchedule({ name });
      if (schedule === undefined) throw new CliError("not_found", `there is no schedule ${JSON.stringify(name)}`);
      await context.output.record(scheduleRecord(schedule, Date.now()));
    });
  },
});
