import type { Schedule } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { CliError, usageError } from "../exit.ts";
import {
  checkScheduleName,
  readSchedule,
  SCHEDULE_FLAGS,
  type ScheduleSpecInit,
  NAME_FORMAT_FLAGS,
} from "../flags/schedule-flags.ts";
import { namingFlags } from "../flags/schedule-faults.ts";
import { scheduleJson } from "../views/schedule-view.ts";
import { nextTicks, showTicks } from "../views/show-ticks.ts";
import { suggest } from "../flags/suggest.ts";
import { tickJson } from "../views/tick-view.ts";
import type { Client } from "../../sdk/transport/client.ts";

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
    description: `Back to the default: ${Object.keys(CLEARABLE).join(", ")} (of the jobs, all of them)`,
  },
  ...NAME_FORMAT_FLAGS,
  ...CONNECTION_FLAGS,
} as const;

type Context = CommandContext<typeof FLAGS>;

export const schedulesUpdate = defineCommand({
  meta: {
    name: "schedules update",
    description: "Change a schedule; what is not given stays as it is. Prints the next five ticks.",
  },
  args: FLAGS,
  operands: [{ name: "NAME", description: "The schedule's name", required: true }],
  examples: [
    { command: "reseolio schedules update daily-report --cron '30 9 * * 1-5'", does: "another time" },
    { command: "reseolio schedules update daily-report --clear end-at,jitter", does: "back to the defaults" },
  ],
  notes: ["Jobs that it has enqueued stay as they are."],
  run: update,
});

async function update(context: Context): Promise<void> {
  const { flags, messages } = context;
  const name = checkScheduleName(context.operands[0] ?? "");
  const clearFields = readClear(flags.clear);
  const spec = await readSchedule(flags, messages);
  if (Object.keys(spec).length === 0 && clearFields.length === 0) {
    throw usageError("nothing to update", "give what changes, such as --cron '0 9 * * *', or --clear FIELD");
  }
  await withClient(context, async (client) => {
    const request = { name, spec: await withStoredOptions(client, name, spec), clearFields };
    const { schedule } = await namingFlags(client.schedules.updateSchedule(request));
    if (schedule === undefined) throw new CliError("failed", "the daemon answered without the schedule");
    messages.success(`updated schedule ${name}`);
    const { ticks, timeZone } = await nextTicks(client, name);
    await show(context, schedule, () => showTicks(context.output, ticks, timeZone), ticks.map(tickJson));
  });
}

/** The daemon takes the options of the jobs as a whole; a flag means one of them. */
async function withStoredOptions(client: Client, name: string, spec: ScheduleSpecInit): Promise<ScheduleSpecInit> {
  if (spec.options === undefined) return spec;
  const { schedule } = await client.schedules.getSchedule({ name });
  if (schedule?.spec?.options === undefined) return spec;
  const stored = Object.entries(schedule.spec.options).filter(([name]) => !FOREIGN.has(name));
  return { ...spec, options: { ...Object.fromEntries(stored), ...spec.options } };
}

/** Of a job's options, and of the message's own fields: what is no schedule's to have. */
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
  if ((await list()) === 0) messages.warn("no tick will come");
}

function readClear(values: readonly string[]): string[] {
  return values.flatMap((value) => value.split(",")).map((word) => clearedField(word.trim().replace(/^--/, "")));
}

function clearedField(word: string): string {
  if (Object.hasOwn(CLEARABLE, word)) return CLEARABLE[word as keyof typeof CLEARABLE];
  const near = suggest(word, Object.keys(CLEARABLE));
  const meant = near === undefined ? "" : `; did you mean ${near}?`;
  throw usageError(`--clear is ${JSON.stringify(word)}${meant}`, `give some of: ${Object.keys(CLEARABLE).join(", ")}`);
}
