import type { Schedule } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import type { Client } from "../../sdk/transport/client.ts";
import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { withFlagNames } from "../calls/schedule-faults.ts";
import { nextTicks, showTicks } from "../calls/show-ticks.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { CliError, usageError } from "../exit.ts";
import {
  checkScheduleName,
  NAME_FORMAT_FLAGS,
  readSchedule,
  SCHEDULE_FLAGS,
  type ScheduleSpecInit,
} from "../flags/schedule-flags.ts";
import { didYouMean } from "../text/suggest.ts";
import { scheduleJson } from "../views/schedule-view.ts";
import { tickJson } from "../views/tick-view.ts";

/** What --clear takes, and the field of ScheduleSpec that it clears. */
const CLEARABLE = {
  tz: "time_zone",
  args: "args",
  "start-at": "start_at",
  "end-at": "end_at",
  "catch-up": "catch_up",
  "max-catch-up": "max_catch_up",
  overlap: "overlap",
  jitter: "jitter_ms",
  options: "options",
} as const;

const FLAGS = {
  ...SCHEDULE_FLAGS,
  clear: {
    type: "string",
    valueHint: "FIELD,…",
    repeat: true,
    description: `Reset to the default: ${Object.keys(CLEARABLE).join(", ")} (all job options)`,
  },
  ...NAME_FORMAT_FLAGS,
  ...CONNECTION_FLAGS,
} as const;

type Context = CommandContext<typeof FLAGS>;

export const schedulesUpdate = defineCommand({
  meta: {
    name: "schedules update",
    description: "Change a schedule; settings without a flag keep their values. Prints the next five ticks.",
  },
  args: FLAGS,
  operands: [{ name: "NAME", description: "Schedule name", required: true }],
  examples: [
    { command: "reseolio schedules update daily-report --cron '30 9 * * 1-5'", does: "change the time" },
    { command: "reseolio schedules update daily-report --clear end-at,jitter", does: "reset to the defaults" },
  ],
  notes: ["Jobs that are already enqueued are not affected."],
  run: update,
});

async function update(context: Context): Promise<void> {
  const { flags, messages } = context;
  const name = checkScheduleName(context.operands[0] ?? "");
  const clearFields = readClear(flags.clear);
  const spec = await readSchedule(flags, messages);
  if (Object.keys(spec).length === 0 && clearFields.length === 0) {
    throw usageError("nothing to update", "pass what to change, such as --cron '0 9 * * *', or --clear FIELD");
  }
  await withClient(context, async (client) => {
    const request = { name, spec: await withStoredOptions(client, name, spec), clearFields };
    const { schedule } = await withFlagNames(client.schedules.updateSchedule(request));
    if (schedule === undefined) throw new CliError("failed", "the daemon returned no schedule");
    messages.success(`updated schedule ${name}`);
    const { ticks, timeZone } = await nextTicks(client, name);
    await show(context, schedule, () => showTicks(context.output, ticks, timeZone), ticks.map(tickJson));
  });
}

/** The daemon replaces the job options as a whole, but a flag changes only one of them: merges the two. */
async function withStoredOptions(client: Client, name: string, spec: ScheduleSpecInit): Promise<ScheduleSpecInit> {
  if (spec.options === undefined) return spec;
  const { schedule } = await client.schedules.getSchedule({ name });
  if (schedule?.spec?.options === undefined) return spec;
  const stored = Object.entries(schedule.spec.options).filter(([name]) => !FOREIGN.has(name));
  return { ...spec, options: { ...Object.fromEntries(stored), ...spec.options } };
}

/** Fields of the message that are not job options of a schedule. */
const FOREIGN: ReadonlySet<string> = new Set([
  ...["$typeName", "$unknown", "delayMs", "runAt", "idempotencyKey", "onDuplicate"],
]);

async function show(
  { output, messages }: Context,
  schedule: Schedule,
  list: () => Promise<number>,
  nextTicks: readonly unknown[],
): Promise<void> {
  if (output.format === "ids") return output.text(`${schedule.name}\n`);
  if (output.isJson) return output.document({ ...scheduleJson(schedule), nextTicks });
  if ((await list()) === 0) messages.warn("this schedule has no future ticks");
}

function readClear(values: readonly string[]): string[] {
  return values.flatMap((value) => value.split(",")).map((word) => clearedField(word.trim().replace(/^--/, "")));
}

function clearedField(word: string): string {
  if (Object.hasOwn(CLEARABLE, word)) return CLEARABLE[word as keyof typeof CLEARABLE];
  const meant = didYouMean(word, Object.keys(CLEARABLE));
  throw usageError(
    `invalid value for --clear: ${JSON.stringify(word)}${meant}`,
    `valid values: ${Object.keys(CLEARABLE).join(", ")}`,
  );
}
