import type { Schedule } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import type { Client } from "../../sdk/transport/client.ts";
import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { withRetries } from "../calls/enqueue.ts";
import { cliErrorFrom } from "../calls/rpc-errors.ts";
import { withFlagNames } from "../calls/schedule-faults.ts";
import { nextTicks, showTicks } from "../calls/show-ticks.ts";
import { type CommandContext, defineCommand, type Flags } from "../command.ts";
import { CliError, usageError } from "../exit.ts";
import {
  checkScheduleName,
  CRON_HINT,
  NAME_FORMAT_FLAGS,
  readSchedule,
  SCHEDULE_FLAGS,
  type ScheduleSpecInit,
} from "../flags/schedule-flags.ts";
import type { Messages } from "../terminal/messages.ts";
import { didYouMean } from "../text/suggest.ts";
import { scheduleJson } from "../views/schedule-view.ts";
import { tickJson } from "../views/tick-view.ts";

const FLAGS = {
  ...SCHEDULE_FLAGS,
  "on-duplicate": {
    type: "enum",
    options: ["reject", "update"],
    description: "If a schedule of this name with different settings exists: fail, or update it [reject]",
  },
  ...NAME_FORMAT_FLAGS,
  ...CONNECTION_FLAGS,
} as const satisfies Flags;

type Context = CommandContext<typeof FLAGS>;

export const schedulesCreate = defineCommand({
  meta: {
    name: "schedules create",
    description: "Create a schedule that enqueues one job at each tick of a cron rule. Prints the next five ticks.",
  },
  args: FLAGS,
  operands: [{ name: "NAME", description: "Schedule name [the name of the function]" }],
  examples: [
    {
      command: `reseolio schedules create daily-report -f report:build --cron '0 8 * * *' --tz America/New_York`,
      does: "every day at 8:00 in New York",
    },
    {
      command: `reseolio schedules create -f cache:warm --cron '*/10 * * * * *' --overlap skip --args '["eu"]'`,
      does: "every 10 seconds, but never two at once",
    },
    {
      command: "reseolio schedules create sync -f crm:sync --cron @hourly --jitter 5m --catch-up all",
      does: "every hour, delayed by up to 5 minutes, catching up on every missed tick",
    },
  ],
  notes: [
    "Creating the same schedule again changes nothing and exits with 0. Job options such as --max-attempts apply to the jobs that it enqueues; --jitter delays ticks, --retry-jitter applies to the delays between attempts. Exit code 8: a schedule of this name with different settings exists.",
  ],
  run: create,
});

async function create(context: Context): Promise<void> {
  const { flags, operands, messages } = context;
  const name = operands[0] === undefined ? "" : checkScheduleName(operands[0]);
  if (flags.function === undefined)
    throw usageError("missing flag --function", "set the function to call at each tick");
  if (flags.cron === undefined) throw usageError("missing flag --cron", CRON_HINT);
  const spec = await readSchedule(flags, messages);
  await withClient(context, async (client) => {
    const { schedule, done } = await store(client, name, spec, flags["on-duplicate"] === "update");
    messages.success(`${done} schedule ${schedule.name}`);
    await warnAboutFunction(client, schedule.spec?.functionName ?? "", messages);
    await showSchedule(context, client, schedule, done === "created");
  });
}

/** A function that no worker serves is most often a typo. */
async function warnAboutFunction(client: Client, name: string, messages: Messages): Promise<void> {
  const { functions } = await client.daemon.listFunctions({});
  const served = functions.filter((one) => one.workers > 0).map((one) => one.functionName);
  if (served.includes(name)) return;
  messages.warn(`no worker serves ${name} at the moment${didYouMean(name, served)}`);
}

interface Stored {
  readonly schedule: Schedule;
  readonly done: "created" | "found" | "updated";
}

async function store(client: Client, name: string, spec: ScheduleSpecInit, mayUpdate: boolean): Promise<Stored> {
  try {
    const { schedule, created } = await withFlagNames(
      withRetries(() => client.schedules.createSchedule({ name, spec })),
    );
    return { schedule: requireSchedule(schedule), done: created ? "created" : "found" };
  } catch (error) {
    const fault = cliErrorFrom(error);
    if (fault.code !== "conflict") throw fault;
    const known = name === "" ? (spec.functionName ?? "") : name;
    if (mayUpdate) return { schedule: await replace(client, known, spec), done: "updated" };
    const hint = `change it with: reseolio schedules update ${known}, or pass --on-duplicate update`;
    throw new CliError("conflict", fault.message, { hint, cause: error });
  }
}

/** Optional fields of ScheduleSpec. */
const OPTIONAL = {
  timeZone: "time_zone",
  args: "args",
  options: "options",
  catchUp: "catch_up",
  maxCatchUp: "max_catch_up",
  overlap: "overlap",
  jitterMs: "jitter_ms",
  startAt: "start_at",
  endAt: "end_at",
} as const satisfies Partial<Record<keyof ScheduleSpecInit, string>>;

async function replace(client: Client, name: string, spec: ScheduleSpecInit): Promise<Schedule> {
  const clearFields = Object.entries(OPTIONAL).flatMap(([key, field]) => (Object.hasOwn(spec, key) ? [] : [field]));
  return requireSchedule((await withFlagNames(client.schedules.updateSchedule({ name, spec, clearFields }))).schedule);
}

function requireSchedule(schedule: Schedule | undefined): Schedule {
  if (schedule !== undefined) return schedule;
  throw new CliError("failed", "the daemon returned no schedule");
}

async function showSchedule(
  { output, messages }: Context,
  client: Client,
  schedule: Schedule,
  created: boolean,
): Promise<void> {
  if (output.format === "ids") return output.text(`${schedule.name}\n`);
  const { ticks, timeZone } = await nextTicks(client, schedule.name);
  if (output.isJson) {
    return output.document({ ...scheduleJson(schedule), created, nextTicks: ticks.map(tickJson) });
  }
  if ((await showTicks(output, ticks, timeZone)) === 0) messages.warn("this schedule has no future ticks");
}
