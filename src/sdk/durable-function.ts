import { ReseolioError } from "./errors.ts";
import type { JobHandle } from "./job-handle.ts";
import { isJobOptions, type JobOptions } from "./options/job-options.ts";
import type { FunctionDefinition } from "./worker/registry.ts";
import { show } from "./options/option-faults.ts";
import type { ScheduleHandle } from "./schedule-handle.ts";
import type { ScheduleOptions, ScheduleSettings } from "./options/schedule-options.ts";
import type { JobResult } from "./serialized.ts";

/**
 * A function whose calls are stored before they are acknowledged, and run to completion by some worker.
 *
 * @example
 * ```ts
 * const first = await charge("order-1001", 4200);
 * const once = await charge.with({ idempotencyKey: "order-1002", delayMs: 5_000 })("order-1002", 900);
 * const urgent = await charge("order-1003", 100, { priority: 10 });
 * ```
 */
export interface DurableFunction<Args extends unknown[], Result> {
  /**
   * Ends when the call is on disk. A trailing argument is taken as options of this call when it is a plain, non-empty
   * object whose keys are all names of options; `with` leaves no doubt.
   *
   * Called inside a handler it makes a child, cancelled with its parent. A parent that runs again finds the children of
   * its earlier executions, by function, arguments and how often it called that. One whose failure ended an attempt of the
   * parent is retried by the next one, under its own ID. Refused in the handler of a job that was cancelled. Awaiting a
   * child's `result()` holds no slot.
   *
   * @throws ReseolioError `serialization` or `invalid_argument` before anything is sent; what the daemon refuses;
   * ConnectionError when no answer came within `callTimeoutMs`, and then the call may be stored
   */
  (...args: Args): Promise<JobHandle<JobResult<Result>>>;
  (...args: [...Args, JobOptions]): Promise<JobHandle<JobResult<Result>>>;
  /** As it was registered. */
  readonly functionName: string;
  /** The function's own options; an absent one takes the daemon's default. */
  readonly options: JobOptions;
  /** The same call with options on top of the function's own; all its arguments are the handler's. */
  with(options: JobOptions): (...args: Args) => Promise<JobHandle<JobResult<Result>>>;
  /**
   * Calls it at each tick of a cron rule, with these arguments, whatever happens to this process. On disk when its
   * promise ends; the same content again is the same schedule. The function's options are defaults of `jobOptions`.
   *
   * @example
   * ```ts
   * await charge.schedule({ cron: "0 8 * * 1", timezone: "America/New_York", name: "weekly-fee" }, "fee", 500);
   * ```
   *
   * @throws ReseolioError `invalid_argument` that names the option with a right example, `already_exists` when a
   * schedule of this name has other content, `serialization` for arguments
   */
  schedule(options: ScheduleOptions, ...args: Args): Promise<ScheduleHandle<Args, JobResult<Result>>>;
  /** `* * * * *`. Arguments of the function follow the settings: `fn.everyMinute({ overlap: "skip" }, "eu")`. */
  everyMinute(...given: PresetArgs<Args>): Promise<ScheduleHandle<Args, JobResult<Result>>>;
  /** At each full hour, `0 * * * *`. */
  hourly(...given: PresetArgs<Args>): Promise<ScheduleHandle<Args, JobResult<Result>>>;
  /**
   * At a full hour, 0 to 23, of the settings' time zone.
   *
   * @example
   * ```ts
   * await charge.daily(8, { timezone: "Europe/Berlin" }, "fee", 500);
   * ```
   */
  daily(hour: number, ...given: PresetArgs<Args>): Promise<ScheduleHandle<Args, JobResult<Result>>>;
  /** On a day of the week, 0 (Sunday) to 6 (Saturday), as in cron, at a full hour. */
  weekly(dayOfWeek: number, hour: number, ...given: PresetArgs<Args>): Promise<ScheduleHandle<Args, JobResult<Result>>>;
}

/** Settings of the schedule, which may be left out when the function takes no arguments, then its arguments. */
export type PresetArgs<Args extends unknown[]> = [settings?: ScheduleSettings, ...args: Args];

/** What a durable function asks of its client. */
export interface FunctionAccess {
  /** Stores one call; `options` are of this call only. */
  enqueue(args: readonly unknown[], options: JobOptions | undefined): Promise<JobHandle>;
  createSchedule(options: ScheduleOptions, args: readonly unknown[]): Promise<ScheduleHandle>;
}

export function createDurableFunction<Args extends unknown[], Result>(
  definition: FunctionDefinition,
  access: FunctionAccess,
): DurableFunction<Args, Result> {
  const call = (...args: unknown[]): Promise<JobHandle> => {
    const last = args.length === 0 ? undefined : args[args.length - 1];
    if (!isJobOptions(last)) return access.enqueue(args, undefined);
    return access.enqueue(args.slice(0, -1), last);
  };
  const properties = {
    functionName: definition.name,
    options: definition.options,
    with:
      (options: JobOptions) =>
      (...args: unknown[]) =>
        access.enqueue(args, options),
    ...scheduling(access),
  };
  Object.defineProperty(call, "name", { value: definition.name });
  // The types are the handler's; at run time only JSON passes.
  return Object.assign(call, properties) as unknown as DurableFunction<Args, Result>;
}

function scheduling(access: FunctionAccess): object {
  const preset = async (cron: string, settings: unknown, args: unknown[]): Promise<ScheduleHandle> =>
    access.createSchedule({ ...checkSettings(settings), cron }, args);
  return {
    schedule: (options: ScheduleOptions, ...args: unknown[]) => access.createSchedule(options, args),
    everyMinute: (settings?: ScheduleSettings, ...args: unknown[]) => preset("* * * * *", settings, args),
    hourly: (settings?: ScheduleSettings, ...args: unknown[]) => preset("0 * * * *", settings, args),
    daily: async (hour: number, settings?: ScheduleSettings, ...args: unknown[]) =>
      preset(`0 ${within("hour", hour, 23)} * * *`, settings, args),
    weekly: async (dayOfWeek: number, hour: number, settings?: ScheduleSettings, ...args: unknown[]) =>
      preset(`0 ${within("hour", hour, 23)} * * ${within("dayOfWeek", dayOfWeek, 7)}`, settings, args),
  };
}

function checkSettings(settings: unknown): ScheduleSettings {
  if (settings === undefined || settings === null) return {};
  // What is inside is checked with the rule.
  if (typeof settings === "object" && !Array.isArray(settings)) return settings;
  const message = `the settings are ${JSON.stringify(settings)}; they come before the function's arguments, such as daily(8, {}, "eu")`;
  throw new ReseolioError("invalid_argument", message);
}

function within(name: string, value: unknown, max: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new ReseolioError("invalid_argument", `${name} is ${show(value)}; give a whole number from 0 to ${max}`);
}
