/** Flags that describe a schedule. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { MAX_UINT32, WIRE_LIMITS } from "#proto/contract.ts";
import { CatchUp, Overlap, type ScheduleSpecSchema } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import { JOB_OPTIONS } from "#proto/job-options.ts";
import type { CommandContext, Flags } from "../command.ts";
import { usageError } from "../exit.ts";
import type { Messages } from "../terminal/messages.ts";
import { toTimestamp } from "../text/timestamps.ts";
import { checkNewJob } from "./check-new-job.ts";
import { FORMAT_FLAGS } from "./format-flags.ts";
import { JOB_OPTION_FLAGS, type JobOptionsInit, readJobOptions } from "./job-options.ts";
import { durationFlag, instantFlag, numberFlag } from "./parse-flag.ts";
import { argsBytes, readTextFlag } from "./read-input.ts";

export type ScheduleSpecInit = Omit<
  Exclude<MessageInitShape<typeof ScheduleSpecSchema>, { $typeName: string }>,
  "options"
> & { readonly options?: JobOptionsInit };

/** Flags that determine when a schedule ticks. */
export const RULE_FLAGS = {
  cron: {
    type: "string",
    valueHint: "RULE",
    description:
      "Cron rule: minute, hour, day of month, month, day of week; six fields start with seconds; or @daily and the like",
  },
  tz: { type: "string", valueHint: "ZONE", description: "Time zone of the rule, as an IANA name [UTC]" },
  "start-at": { type: "string", valueHint: "TIME", description: "No ticks before this time [now]" },
  "end-at": { type: "string", valueHint: "TIME", description: "No ticks after this time [none]" },
} as const satisfies Flags;

/** A schedule is identified by its name. */
export const NAME_FORMAT_FLAGS = {
  ...FORMAT_FLAGS,
  quiet: { ...FORMAT_FLAGS.quiet, description: "Print only names, one per line" },
} as const satisfies Flags;

const { min, max, default: usual } = JOB_OPTIONS.jitter;
const RETRY_JITTER_HELP = `Random fraction of a delay between attempts, ${min} to ${max} [${usual}]`;

/** Job options, without those that set when a job runs or deduplicate it: the schedule does both. */
const {
  delay: _delay,
  "run-at": _runAt,
  "idempotency-key": _key,
  "on-duplicate": _onDuplicate,
  jitter: retryJitter,
  ...TICK_JOB_FLAGS
} = JOB_OPTION_FLAGS;

export const SCHEDULE_FLAGS = {
  function: { type: "string", alias: "f", valueHint: "NAME", description: "Function to call at each tick" },
  ...RULE_FLAGS,
  args: {
    type: "string",
    valueHint: "JSON|@FILE|-",
    description: "Arguments as a JSON array, from a file, or from stdin [none]",
  },
  "catch-up": {
    type: "enum",
    options: ["none", "latest", "all"],
    description: "Which ticks missed while no daemon was running are enqueued later [latest]",
  },
  "max-catch-up": {
    type: "string",
    valueHint: "N",
    description: "With --catch-up all, enqueue only this many of the latest missed ticks [100]",
  },
  overlap: {
    type: "enum",
    options: ["allow", "skip"],
    description:
      "If the job of an earlier tick has not finished at a tick: enqueue another job, or skip the tick [allow]",
  },
  jitter: {
    type: "string",
    valueHint: "DURATION",
    description: "Delay the job of each tick by a random time up to this [0]",
  },
  ...TICK_JOB_FLAGS,
  "retry-jitter": { ...retryJitter, description: RETRY_JITTER_HELP },
} as const satisfies Flags;

type RuleFlags = CommandContext<typeof RULE_FLAGS>["flags"];
type ScheduleFlags = CommandContext<typeof SCHEDULE_FLAGS>["flags"];

const CATCH_UPS = { none: CatchUp.NONE, latest: CatchUp.LATEST, all: CatchUp.ALL };
const OVERLAPS = { allow: Overlap.ALLOW, skip: Overlap.SKIP };

/** Reads the flags of the rule that are set. @throws CliError `usage` that names the flag */
export function readRule(flags: RuleFlags): ScheduleSpecInit {
  const startAt = instantFlag("start-at", flags["start-at"]);
  const endAt = instantFlag("end-at", flags["end-at"]);
  if (flags.cron?.trim() === "") throw usageError("--cron is empty", CRON_HINT);
  if (flags.tz?.trim() === "") throw usageError("--tz is empty", "use an IANA name such as America/New_York");
  return {
    ...(flags.cron === undefined ? {} : { cron: flags.cron }),
    ...(flags.tz === undefined ? {} : { timeZone: flags.tz }),
    ...(startAt === undefined ? {} : { startAt: toTimestamp(startAt) }),
    ...(endAt === undefined ? {} : { endAt: toTimestamp(endAt) }),
  };
}

export const CRON_HINT = `use a rule such as --cron '0 8 * * 1-5' (at 8:00 from Monday to Friday), or --cron @hourly`;

/** Reads the flags of a schedule that are set. @throws CliError `usage` that names the flag */
export async function readSchedule(flags: ScheduleFlags, messages: Messages): Promise<ScheduleSpecInit> {
  const maxCatchUp = numberFlag("max-catch-up", flags["max-catch-up"], {
    min: 1,
    max: WIRE_LIMITS.catchUpTicks,
    whole: true,
  });
  const jitterMs = durationFlag("jitter", flags.jitter);
  if (jitterMs !== undefined && jitterMs > MAX_UINT32)
    throw usageError(`--jitter ${flags.jitter} is too long`, "the maximum is 49 days");
  const options = readTickOptions(flags);
  return {
    ...readRule(flags),
    ...(flags.function === undefined ? {} : { functionName: flags.function }),
    ...(flags.args === undefined ? {} : { args: await readArgs(flags.args, messages) }),
    ...(options === undefined ? {} : { options }),
    ...(flags["catch-up"] === undefined ? {} : { catchUp: CATCH_UPS[flags["catch-up"]] }),
    ...(maxCatchUp === undefined ? {} : { maxCatchUp }),
    ...(flags.overlap === undefined ? {} : { overlap: OVERLAPS[flags.overlap] }),
    ...(jitterMs === undefined ? {} : { jitterMs }),
  };
}

async function readArgs(text: string, messages: Messages): Promise<Uint8Array> {
  const args = argsBytes(await readTextFlag("--args", text, (line: string) => messages.info(line)), "--args");
  checkNewJob("schedule", args, "");
  return args;
}

/** Undefined if no job option is set. */
function readTickOptions(flags: ScheduleFlags): JobOptionsInit | undefined {
  numberFlag("retry-jitter", flags["retry-jitter"], { ...JOB_OPTIONS.jitter, whole: false });
  const { headers = {}, ...options } = readJobOptions({
    ...flags,
    jitter: flags["retry-jitter"],
    delay: undefined,
    "run-at": undefined,
    "idempotency-key": undefined,
    "on-duplicate": undefined,
  });
  const all = Object.keys(headers).length === 0 ? options : { ...options, headers };
  return Object.keys(all).length === 0 ? undefined : all;
}

/** @throws CliError `usage` if the daemon would reject the name */
export function checkScheduleName(name: string): string {
  const length = Buffer.byteLength(name);
  const max = WIRE_LIMITS.scheduleNameBytes;
  if (name.trim() !== "" && length <= max) return name;
  const given = name.trim() === "" ? "is empty" : `is ${length} bytes long`;
  throw usageError(`the schedule name ${given}`, `use a name of 1 to ${max} bytes, such as daily-report`);
}
