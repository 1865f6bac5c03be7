import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { withFlagNames } from "../calls/schedule-faults.ts";
import { showTicks } from "../calls/show-ticks.ts";
import { defineCommand } from "../command.ts";
import { usageError } from "../exit.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { instantFlag, numberFlag } from "../flags/parse-flag.ts";
import { checkScheduleName, CRON_HINT, readRule, RULE_FLAGS } from "../flags/schedule-flags.ts";
import { toTimestamp } from "../text/timestamps.ts";
import { tickJson } from "../views/tick-view.ts";

export const schedulesPreview = defineCommand({
  meta: {
    name: "schedules preview",
    description:
      "Show the next ticks of a schedule, or of a cron rule without a schedule, in its time zone and in UTC.",
  },
  args: {
    count: { type: "string", alias: "n", valueHint: "N", description: "Number of ticks, 1 to 1000 [10]" },
    after: { type: "string", valueHint: "TIME", description: "Ticks after this time [now]" },
    ...RULE_FLAGS,
    ...FORMAT_FLAGS,
    quiet: { ...FORMAT_FLAGS.quiet, description: "Print only UTC times, one per line" },
    ...CONNECTION_FLAGS,
  },
  operands: [{ name: "NAME", description: "Schedule name; omit it with --cron" }],
  examples: [
    { command: "reseolio schedules preview daily-report -n 3", does: "the next three ticks of a schedule" },
    {
      command: "reseolio schedules preview --cron '30 2 * * *' --tz Europe/Berlin --after 2027-03-26",
      does: "what a rule does when the clocks change",
    },
  ],
  notes: [
    "A time skipped by a clock change fires once, at the first valid instant. A fixed time that occurs twice that day fires once; steps such as */30 follow elapsed time. Columns when piped: local time, UTC, note.",
  ],
  async run(context) {
    const { flags, operands, output, messages } = context;
    const of = readTarget(operands[0], flags);
    const count = numberFlag("count", flags.count, { min: 1, max: 1_000, whole: true });
    const after = instantFlag("after", flags.after);
    const request = {
      ...of,
      ...(count === undefined ? {} : { count }),
      ...(after === undefined ? {} : { after: toTimestamp(after) }),
    };
    await withClient(context, async (client) => {
      const { ticks, timeZone } = await withFlagNames(client.schedules.previewSchedule(request));
      if (output.format === "json") return output.document({ timezone: timeZone, ticks: ticks.map(tickJson) });
      if ((await showTicks(output, ticks, timeZone)) === 0) messages.info("there are no future ticks");
      return undefined;
    });
  },
});

type Target = { readonly name: string } | { readonly spec: ReturnType<typeof readRule> };

function readTarget(name: string | undefined, flags: Parameters<typeof readRule>[0]): Target {
  const rule = readRule(flags);
  const given = Object.keys(RULE_FLAGS).filter((flag) => flags[flag as keyof typeof RULE_FLAGS] !== undefined);
  if (name !== undefined && given.length > 0) {
    throw usageError(
      `use either NAME or --${given[0]}, not both`,
      "pass the name of a schedule, or a rule with --cron",
    );
  }
  if (name !== undefined) return { name: checkScheduleName(name) };
  if (rule.cron === undefined) throw usageError("missing NAME or --cron", `${CRON_HINT}, or the name of a schedule`);
  return { spec: rule };
}
