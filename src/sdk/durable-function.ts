import type { JobCalls } from "./calls/job-calls.ts";
import { ReseolioError } from "./errors.ts";
import type { JobHandle } from "./job-handle.ts";
import { countParameters } from "./options/count-parameters.ts";
import { isJobOptions, type JobOptions } from "./options/job-options.ts";
import { show } from "./options/option-faults.ts";
import type { ScheduleOptions, ScheduleSettings } from "./options/schedule-options.ts";
import type { ScheduleHandle } from "./schedule-handle.ts";
import type { JobResult } from "./serialized.ts";
import type { FunctionDefinition } from "./worker/registry.ts";

/**
 * A function whose calls are stored before they are acknowledged, and then run to completion by a worker.
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
   * Stores a call; the promise resolves when it is on disk. Options of this call may follow the handler's arguments: a
   * plain, non-empty object whose keys are all option names, beyond the last parameter of the handler, also of one that
   * is optional. Behind a rest parameter it could be either: such a call is refused, and `with` says what is meant.
   *
   * Called inside a handler, it stores a child job, which is cancelled with its parent. A parent that runs again finds
   * the children of its earlier executions by function, arguments and the number of equal calls before. A child whose
   * failure ended an attempt of the parent is retried by the next attempt, under the same job ID. The handler of a
   * cancelled job cannot call children. Awaiting a child's `result()` holds no slot.
   *
   * @throws ReseolioError `serialization` or `invalid_argument` before anything is sent, or the daemon's refusal
   * @throws ConnectionError when no answer came within `callTimeoutMs`; the call may have been stored
   */
  (...args: Args): Promise<JobHandle<JobResult<Result>>>;
  (...args: WithOptions<Args>): Promise<JobHandle<JobResult<Result>>>;
  /** The name under which it was registered. */
  readonly functionName: string;
  /** The function's own options; absent ones use the daemon's defaults. */
  readonly options: JobOptions;
  /** The same call with options that override the function's own; all its arguments go to the handler. */
  with(options: JobOptions): (...args: Args) => Promise<JobHandle<JobResult<Result>>>;
  /**
   * Calls the function with these arguments at each tick of a cron rule, even after this process has ended. Once the
   * promise resolves, the schedule is on disk; creating it again with the same content returns the existing one. The
   * function's options are the defaults of `jobOptions`.
   *
   * @example
   * ```ts
   * await charge.schedule({ cron: "0 8 * * 1", timezone: "America/New_York", name: "weekly-fee" }, "fee", 500);
   * ```
   *
   * @throws ReseolioError `invalid_argument` that names the option and shows a valid value, `already_exists` when a
   * schedule of this name has different content, `serialization` for the arguments
   */
  schedule(options: ScheduleOptions, ...args: Args): Promise<ScheduleHandle<Args, JobResult<Result>>>;
  /** Schedules it every minute. Its arguments follow the settings: `fn.everyMinute({ overlap: "skip" }, "eu")`. */
  everyMinute(...given: PresetArgs<Args>): Promise<ScheduleHandle<Args, JobResult<Result>>>;
  /** Schedules it at each full hour. */
  hourly(...given: PresetArgs<Args>): Promise<ScheduleHandle<Args, JobResult<Result>>>;
  /**
   * Schedules it every day at a full hour, 0 to 23, in the time zone of the settings.
   *
   * @example
   * ```ts
   * await charge.daily(8, { timezone: "Europe/Berlin" }, "fee", 500);
   * ```
   */
  daily(hour: number, ...given: PresetArgs<Args>): Promise<ScheduleHandle<Args, JobResult<Result>>>;
  /** Schedules it every week, on a day from 0 (Sunday) to 6 (Saturday), as in cron, at a full hour. */
  weekly(dayOfWeek: number, hour: number, ...given: PresetArgs<Args>): Promise<ScheduleHandle<Args, JobResult<Result>>>;
}

/** The arguments with options behind them; not for a rest parameter, which would take them. */
type WithOptions<Args extends unknown[]> = number extends Args["length"] ? never : [...args: Args, options: JobOptions];

/** Settings of the schedule, then the function's arguments. Without arguments the settings may be omitted too. */
export type PresetArgs<Args extends unknown[]> = [settings?: ScheduleSettings, ...args: Args];

/** What a durable function needs from its client. */
export interface FunctionAccess {
  readonly calls: Pick<JobCalls, "enqueue">;
  createSchedule(options: ScheduleOptions, args: readonly unknown[]): Promise<ScheduleHandle>;
}

export function createDurableFunction<Args extends unknown[], Result>(
  definition: FunctionDefinition,
  access: FunctionAccess,
): DurableFunction<Args, Result> {
  const { name } = definition;
  const parameters = countParameters(definition.handler);
  // A rest parameter begins behind the others.
  const own = Number.isFinite(parameters) ? parameters : definition.handler.length;
  const call = (...args: unknown[]): Promise<JobHandle> => {
    const last = args.at(-1);
    if (args.length <= own || !isJobOptions(last)) {
      return access.calls.enqueue(name, args, definition, undefined);
    }
    if (parameters === Number.POSITIVE_INFINITY) return Promise.reject(unclearOptions(name, last));
    return access.calls.enqueue(name, args.slice(0, -1), definition, last);
  };
  const properties = {
    functionName: name,
    options: definition.options,
    with:
      (options: JobOptions) =>
      (...args: unknown[]) =>
        access.calls.enqueue(name, args, definition, options),
    ...scheduling(access),
  };
  Object.defineProperty(call, "name", { value: name });
  // The types come from the handler; at run time the values are JSON.
  return Object.assign(call, properties) as unknown as DurableFunction<Args, Result>;
}

/** Behind a rest parameter, as every wrapper around a handler has it, the last argument could be either. */
function unclearOptions(name: string, last: JobOptions): ReseolioError {
  const shown = Object.keys(last).join(", ");
  const message =
    `${name}: the last argument { ${shown} } could be options of the call or an argument of the handler, which takes any ` +
    `number of them; use with({ ${shown} })(…) for options, or with({})(…) for an argument`;
  return new ReseolioError("invalid_argument", message);
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
  // Its fields are checked together with the rule.
  if (typeof settings === "object" && !Array.isArray(settings)) return settings;
  const message = `the settings are ${JSON.stringify(settings)}; they come before the function's arguments, such as daily(8, {}, "eu")`;
  throw new ReseolioError("invalid_argument", message);
}

function within(name: string, value: unknown, max: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new ReseolioError("invalid_argument", `${name} is ${show(value)}; use a whole number from 0 to ${max}`);
}
