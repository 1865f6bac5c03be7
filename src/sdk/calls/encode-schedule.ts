/** Encodes schedules for the wire, after all checks that need no daemon. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { MAX_UINT32, WIRE_LIMITS } from "#proto/contract.ts";
import { CatchUp, Overlap, type ScheduleSpecSchema } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import { ReseolioError } from "../errors.ts";
import { encodeJobOptions, type JobOptions } from "../options/job-options.ts";
import { checkChoice, checkDate, checkNames, checkWhole, show } from "../options/option-faults.ts";
import type { ScheduleJobOptions, ScheduleOptions, ScheduleRule, ScheduleUpdate } from "../options/schedule-options.ts";
import { encodeArgs } from "../serialization.ts";
import { checkFunctionName } from "../worker/registry.ts";

export type ScheduleSpecInit = Exclude<MessageInitShape<typeof ScheduleSpecSchema>, { $typeName: string }>;

/** The content of a stored schedule. */
interface Content extends Omit<ScheduleOptions, "cron" | "name" | "onDuplicate"> {
  readonly cron?: string;
  readonly functionName?: string;
  readonly args?: readonly unknown[];
}

const CATCH_UPS = { none: CatchUp.NONE, latest: CatchUp.LATEST, all: CatchUp.ALL };
const OVERLAPS = { allow: Overlap.ALLOW, skip: Overlap.SKIP };
const ON_DUPLICATES = { reject: true, update: true };

const SETTING_NAMES = [
  ...["timezone", "catchUp", "maxCatchUp", "overlap", "jitterMs", "startAt", "endAt", "jobOptions"],
] as const;
const OPTION_NAMES: ReadonlySet<string> = new Set(["cron", "name", ...SETTING_NAMES, "onDuplicate"]);
const UPDATE_NAMES: ReadonlySet<string> = new Set(["cron", "functionName", "args", ...SETTING_NAMES]);
const RULE_NAMES: ReadonlySet<string> = new Set(["cron", "timezone", "startAt", "endAt"]);

/** Options that null clears, with the fields of ScheduleSpec. */
const CLEARABLE: ReadonlyMap<string, string> = new Map(
  Object.entries({
    timezone: "time_zone",
    args: "args",
    catchUp: "catch_up",
    maxCatchUp: "max_catch_up",
    overlap: "overlap",
    jitterMs: "jitter_ms",
    startAt: "start_at",
    endAt: "end_at",
    jobOptions: "options",
  }),
);

/** The optional fields: an update clears those that are absent to make a schedule equal to new content. */
export const CLEARABLE_FIELDS: readonly string[] = [...CLEARABLE.values()];

/**
 * Encodes the content of a new schedule.
 *
 * @param base the function's own options: those that a schedule may have are the defaults of its jobs
 * @throws ReseolioError `invalid_argument` that lists every fault, or `serialization` for arguments
 */
export function encodeSchedule(
  functionName: string,
  options: ScheduleOptions,
  args: readonly unknown[],
  base: JobOptions,
): ScheduleSpecInit {
  checkFunctionName(functionName);
  if (!Array.isArray(args)) {
    throw new ReseolioError("invalid_argument", `${functionName}: args is a ${typeof args}; pass an array`);
  }
  const owner = `schedule of ${functionName}`;
  const faults: string[] = [];
  if (typeof options !== "object" || options === null) {
    throw refusal(owner, [`the options are ${show(options)}; pass an object such as { cron: "0 8 * * *" }`]);
  }
  checkNames(options, OPTION_NAMES, faults);
  checkName(options.name, faults);
  checkCron(options.cron, faults);
  checkChoice("onDuplicate", options.onDuplicate, Object.keys(ON_DUPLICATES), faults);
  checkContent(options, faults);
  if (faults.length > 0) throw refusal(owner, faults);
  const jobOptions = mergeScheduleJobOptions(base, options.jobOptions ?? {});
  return encodeContent(owner, { ...options, functionName, args, jobOptions });
}

/**
 * @param base the function's own options, defaults of `jobOptions` when that is given
 * @throws ReseolioError `invalid_argument` that lists every fault
 */
export function encodeScheduleUpdate(
  name: string,
  update: ScheduleUpdate,
  base: JobOptions = {},
): { readonly spec: ScheduleSpecInit; readonly clearFields: string[] } {
  const owner = `schedule ${JSON.stringify(name)}`;
  const faults: string[] = [];
  if (typeof update !== "object" || update === null) {
    throw refusal(owner, [`the changes are ${show(update)}; pass an object such as { cron: "0 9 * * *" }`]);
  }
  const entries = Object.entries(update).filter(([, value]) => value !== undefined);
  const clearFields = entries.flatMap(([key, value]) => (value === null ? [CLEARABLE.get(key) ?? key] : []));
  // Only null values were removed; the rest has the types of Content.
  const content = Object.fromEntries(entries.filter(([, value]) => value !== null)) as Content;
  checkNames(update, UPDATE_NAMES, faults);
  for (const key of ["cron", "functionName"] as const) {
    if (update[key] === null) faults.push(`option ${key} is null; it has no default`);
  }
  if (content.cron !== undefined) checkCron(content.cron, faults);
  checkContent(content, faults);
  if (entries.length === 0) faults.push("nothing to update; pass the options to change");
  if (faults.length > 0) throw refusal(owner, faults);
  const { jobOptions } = content;
  const whole =
    jobOptions === undefined ? content : { ...content, jobOptions: mergeScheduleJobOptions(base, jobOptions) };
  return { spec: encodeContent(owner, whole), clearFields };
}

/** @throws ReseolioError `invalid_argument` that lists every fault */
export function encodeRule(rule: ScheduleRule): ScheduleSpecInit {
  const faults: string[] = [];
  checkNames(rule, RULE_NAMES, faults);
  checkCron(rule.cron, faults);
  checkContent(rule, faults);
  if (faults.length > 0) throw refusal("preview", faults);
  return encodeContent("preview", rule);
}

/** @throws ReseolioError `invalid_argument` */
export function checkScheduleName(name: unknown): asserts name is string {
  const faults: string[] = [];
  checkName(name ?? null, faults);
  if (faults.length > 0) throw new ReseolioError("invalid_argument", faults.join("; ").replace("option name", "name"));
}

function refusal(owner: string, faults: readonly string[]): ReseolioError {
  return new ReseolioError("invalid_argument", `${owner}: ${faults.join("; ")}`);
}

function checkName(name: unknown, faults: string[]): void {
  const max = WIRE_LIMITS.scheduleNameBytes;
  if (name === undefined) return;
  const length = typeof name === "string" && name.trim() !== "" ? Buffer.byteLength(name) : 0;
  if (length >= 1 && length <= max) return;
  const given = length > max ? `is ${length} bytes long` : `is ${show(name)}`;
  faults.push(`option name ${given}; use a string of 1 to ${max} bytes, such as "daily-report"`);
}

/** Checks only the number of fields. The daemon has the one parser that checks their content. */
function checkCron(cron: unknown, faults: string[]): void {
  const fields = typeof cron === "string" ? cron.trim().split(/\s+/).length : 0;
  if (typeof cron === "string" && (fields === 5 || fields === 6 || cron.trim().startsWith("@"))) return;
  const given = typeof cron === "string" && cron.trim() !== "" ? `${show(cron)}, ${count(fields)}` : show(cron);
  faults.push(
    `option cron is ${given}; use five fields (minute, hour, day of month, month, day of week) such as "0 8 * * *", ` +
      `six with seconds first such as "*/10 * * * * *", or "@daily"`,
  );
}

function count(fields: number): string {
  return fields === 1 ? "one field" : `${fields} fields`;
}

function checkContent(content: Content, faults: string[]): void {
  const { timezone, jobOptions, args } = content;
  if (timezone !== undefined && (typeof timezone !== "string" || timezone.trim() === "")) {
    faults.push(`option timezone is ${show(timezone)}; use an IANA name such as "America/New_York"`);
  }
  checkChoice("catchUp", content.catchUp, Object.keys(CATCH_UPS), faults);
  checkWhole("maxCatchUp", content.maxCatchUp, { min: 1, max: WIRE_LIMITS.catchUpTicks }, faults);
  checkChoice("overlap", content.overlap, Object.keys(OVERLAPS), faults);
  checkWhole("jitterMs", content.jitterMs, { min: 0, max: MAX_UINT32 }, faults);
  checkDate("startAt", content.startAt, faults);
  checkDate("endAt", content.endAt, faults);
  if (content.startAt !== undefined && content.endAt !== undefined && !(content.startAt <= content.endAt)) {
    faults.push(`option endAt is ${show(content.endAt)}, which is before startAt; the schedule would never tick`);
  }
  if (args !== undefined && !Array.isArray(args)) faults.push(`option args is ${show(args)}; pass an array`);
  if (jobOptions !== undefined) checkScheduleJobOptions(jobOptions, faults);
}

const FORBIDDEN = ["delayMs", "runAt", "idempotencyKey", "onDuplicate"] as const;

function checkScheduleJobOptions(options: unknown, faults: string[]): void {
  if (typeof options !== "object" || options === null) {
    faults.push(`option jobOptions is ${show(options)}; pass an object such as { maxAttempts: 5 }`);
    return;
  }
  for (const name of FORBIDDEN) {
    if (!Object.hasOwn(options, name)) continue;
    faults.push(
      `option jobOptions.${name} cannot be set for a schedule: each tick enqueues one job at its own time; omit it`,
    );
  }
}

/** Leaves out the function's default delay and key, which concern single calls. */
function mergeScheduleJobOptions(base: JobOptions, own: ScheduleJobOptions): ScheduleJobOptions {
  const { delayMs: _delayMs, runAt: _runAt, idempotencyKey: _key, onDuplicate: _onDuplicate, ...defaults } = base;
  const headers = { ...base.headers, ...own.headers };
  return { ...defaults, ...own, ...(Object.keys(headers).length === 0 ? {} : { headers }) };
}

function encodeContent(owner: string, content: Content): ScheduleSpecInit {
  const { cron, functionName, timezone, args, catchUp, maxCatchUp, overlap, jitterMs, startAt, endAt } = content;
  const options = content.jobOptions === undefined ? undefined : encodeJobOptions(owner, content.jobOptions);
  return {
    ...(cron === undefined ? {} : { cron }),
    ...(functionName === undefined ? {} : { functionName }),
    ...(timezone === undefined ? {} : { timeZone: timezone }),
    ...(args === undefined ? {} : { args: encodeArgs(functionName ?? owner, args) }),
    ...(options === undefined ? {} : { options }),
    ...(catchUp === undefined ? {} : { catchUp: CATCH_UPS[catchUp] }),
    ...(maxCatchUp === undefined ? {} : { maxCatchUp }),
    ...(overlap === undefined ? {} : { overlap: OVERLAPS[overlap] }),
    ...(jitterMs === undefined ? {} : { jitterMs }),
    ...(startAt === undefined ? {} : { startAt: timestampFromDate(startAt) }),
    ...(endAt === undefined ? {} : { endAt: timestampFromDate(endAt) }),
  };
}
