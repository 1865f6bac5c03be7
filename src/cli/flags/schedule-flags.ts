/** Flags that describe a schedule. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { MAX_UINT32, WIRE_LIMITS } from "#proto/contract.ts";
import { CatchUp, Overlap, type ScheduleSpecSchema } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import type { CommandContext, Flags } from "../command.ts";
import { checkNewJob } from "../calls/enqueue.ts";
import { usageError } from "../exit.ts";
import { JOB_OPTION_FLAGS, type JobOptionsInit, readJobOptions } from "./job-options.ts";
import type { Messages } from "../terminal/messages.ts";
import { FORMAT_FLAGS } from "../terminal/output.ts";
import { durationFlag, instantFlag, numberFlag } from "./parse-flag.ts";
import { argsBytes, readTextFlag } from "./read-input.ts";
import { toTimestamp } from "../views/timestamps.ts";

export type ScheduleSpecInit = Omit<
  Exclude<MessageInitShape<typeof ScheduleSpecSchema>, { $typeName: string }>,
  "options"
> & { readonly options?: JobOptionsInit };

/** What says when the ticks are. */
export const RULE_FLAGS = {
  cron: {
    type: "string",
    valueHint: "RULE",
    description: "Minute, hour, day of month, month, day of week; six fields have seconds first; or @daily and its kin",
  },
  tz: { type: "string", valueHint: "ZONE", description: "IANA name of the zone that the rule is read in [UTC]" },
  "start-at": { type: "string", valueHint: "TIME", description: "No tick before it [now]" },
  "end-at": { type: "string", valueHint: "TIME", description: "No tick after it [none]" },
} as const satisfies Flags;

/** What stands for a schedule is its name. */
export const NAME_FORMAT_FLAGS = {
  ...FORMAT_FLAGS,
  quiet: { ...FORMAT_FLAGS.quiet, description: "Only names, one per line" },
} as const satisfies Flags;

/** Of the jobs; when they run is the schedule's to say, and a tick is one job anyway. */
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
    description: "Which ticks that no daemon was there for are enqueued afterwards [latest]",
  },
  "max-catch-up": {
    type: "string",
    valueHint: "N",
    description: "Of --catch-up all: at most so many, the latest [100]",
  },
  overlap: {
    type: "enum",
    options: ["allow", "skip"],
    description: "At a tick while the job of an earlier one has not ended: enqueue all the same, or skip it [allow]",
  },
  jitter: { type: "string", valueHint: "LENGTH", description: "Delay each tick's job by up to this much [0]" },
  ...TICK_JOB_FLAGS,
  "retry-jitter": { ...retryJitter, description: "Random share of a delay between attempts, 0 to 1 [0.1]" },
} as const satisfies Flags;

type RuleFlags = CommandContext<typeof RULE_FLAGS>["flags"];
type ScheduleFlags = CommandContext<typeof SCHEDULE_FLAGS>["flags"];

const CATCH_UPS = { none: CatchUp.NONE, latest: CatchUp.LATEST, all: CatchUp.ALL };
const OVERLAPS = { allow: Overlap.ALLOW, skip: Overlap.SKIP };
/** What was given of the rule. @throws CliError `usage` naming the flag */
export function readRule(flags: RuleFlags): ScheduleSpecInit {
  const startAt = instantFlag("start-at", flags["start-at"]);
  const endAt = instantFlag("end-at", flags["end-at"]);
  if (flags.cron?.trim() === "") throw usageError("--cron is empty", CRON_HINT);
  if (flags.tz?.trim() === "") throw usageError("--tz is empty", "give an IANA name such as America/New_York");
  return {
    ...(flags.cron === undefined ? {} : { cron: flags.cron }),
    ...(flags.tz === undefined ? {} : { timeZone: flags.tz }),
    ...(startAt === undefined ? {} : { startAt: toTimestamp(startAt) }),
    ...(endAt === undefined ? {} : { endAt: toTimestamp(endAt) }),
  };
}

export const CRON_HINT = `give a rule such as --cron '0 8 * * 1-5' (at 8:00 from Monday to Friday), or --cron @hourly`;

/** What was given of a schedule. @throws CliError `usage` naming the flag */
export async function readSchedule(flags: ScheduleFlags, messages: Messages): Promise<ScheduleSpecInit> {
  const maxCatchUp = numberFlag("max-catch-up", flags["max-catch-up"], {
    min: 1,
    max: WIRE_LIMITS.catchUpTicks,
    whole: true,
  });
  const jitterMs = durationFlag("jitter", flags.jitter);
  if (jitterMs !== undefined && jitterMs > MAX_UINT32) throw usageError(`--jitter ${flags.jitter} is too long`);
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

/** Undefined when no option of the jobs was given. */
function readTickOptions(flags: ScheduleFlags): JobOptionsInit | undefined {
  numberFlag("retry-jitter", flags["retry-jitter"], { min: 0, max: 1, whole: false });
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

/** @throws CliError `usage` when it is no name that the daemon takes */
export function checkScheduleName(name: string): string {
  const length = Buffer.byteLength(name);
  const max = WIRE_LIMITS.scheduleNameBytes;
  if (name.trim() !== "" && length <= max) return name;
  const given = name.trim() === "" ? "is empty" : `has ${length} bytes`;
  throw usageError(`the schedule's name ${given}`, `give a name of 1 to ${max} bytes, such as daily-report`);
}
