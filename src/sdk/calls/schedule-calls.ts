import { ReseolioError } from "../errors.ts";
import { JobCalls } from "./job-calls.ts";
import type { JobHandle } from "../job-handle.ts";
import type { JobOptions } from "../options/job-options.ts";
import { checkFunctionName } from "../worker/registry.ts";
import type { ScheduleDetails, ScheduleTick } from "./schedule-details.ts";
import type { BackfillWindow, PreviewWindow, SchedulePage, ScheduleQuery } from "./schedules-client.ts";
import { type ScheduleAccess, ScheduleHandle } from "../schedule-handle.ts";
import { encodeSchedule } from "./encode-schedule.ts";
import type { ScheduleOptions, ScheduleRule, ScheduleUpdate } from "../options/schedule-options.ts";

/** The part of the client that is about schedules. They are known by their names. */
export abstract class ScheduleCalls extends JobCalls implements ScheduleAccess {
  /** The function's own options, when this client registers it. */
  protected abstract optionsOf(functionName: string): JobOptions;

  /**
   * Schedules a function by its name, also one that other programs run; `fn.schedule` is the same for a durable
   * function. On disk when its promise ends. The same content again is the same schedule, also a paused one, so a program may
   * create its schedules at each start; give `onDuplicate: "update"` where a new version of the program may change them.
   *
   * @example
   * ```ts
   * const nightly = await reseolio.createSchedule("reports:build", { name: "nightly", cron: "@daily" }, ["eu"]);
   * ```
   *
   * @throws ReseolioError `invalid_argument` that names the option with a right example; `already_exists` when a
   * schedule of this name has other content
   */
  async createSchedule<Result = unknown>(
    functionName: string,
    options: ScheduleOptions,
    args: readonly unknown[] = [],
  ): Promise<ScheduleHandle<unknown[], Result>> {
    checkFunctionName(functionName);
    if (!Array.isArray(args)) {
      throw new ReseolioError("invalid_argument", `${functionName}: args is a ${typeof args}; give an array`);
    }
    const spec = encodeSchedule(functionName, options, args, this.optionsOf(functionName));
    const { schedules } = await this.connected();
    const { id, name } = await schedules.create(options.name ?? "", spec, options.onDuplicate ?? "reject");
    return new ScheduleHandle(id, name, this);
  }

  /** Everything that is kept of a schedule. @throws ReseolioError `not_found` */
  async getSchedule(name: string): Promise<ScheduleDetails> {
    return (await this.connected()).schedules.get(name);
  }

  /**
   * One page, by name.
   *
   * @example
   * ```ts
   * const { schedules, total } = await reseolio.listSchedules({ status: "active", limit: 10 });
   * ```
   */
  async listSchedules(query: ScheduleQuery = {}): Promise<SchedulePage> {
    return (await this.connected()).schedules.list(query);
  }

  /**
   * Changes what is given; what is absent stays, `null` takes the default again.
   *
   * @example
   * ```ts
   * await reseolio.updateSchedule("nightly", { cron: "0 3 * * *", timezone: "Europe/Berlin", endAt: null });
   * ```
   *
   * @throws ReseolioError `invalid_argument` that names the option, `not_found`
   */
  async updateSchedule(name: string, update: ScheduleUpdate): Promise<ScheduleDetails> {
    return (await this.connected()).schedules.update(name, update, (functionName) => this.optionsOf(functionName));
  }

  /** Ticks while it is paused enqueue nothing and are not caught up. @throws ReseolioError `not_found` */
  async pauseSchedule(name: string): Promise<ScheduleDetails> {
    return (await this.connected()).schedules.pause(name);
  }

  /** Ticks again, from now on. @throws ReseolioError `not_found` */
  async resumeSchedule(name: string): Promise<ScheduleDetails> {
    return (await this.connected()).schedules.resume(name);
  }

  /**
   * Ends it; its name is free again. Jobs that it enqueued stay as they are.
   *
   * @returns false when there was none of this name
   */
  async deleteSchedule(name: string): Promise<boolean> {
    return (await this.connected()).schedules.delete(name);
  }

  /**
   * Enqueues one job now, beside the ticks, with the schedule's arguments and options.
   *
   * @example
   * ```ts
   * const report = await reseolio.triggerSchedule<{ pages: number }>("nightly");
   * ```
   *
   * @throws ReseolioError `not_found`
   */
  async triggerSchedule<Result = unknown>(name: string): Promise<JobHandle<Result>> {
    const { schedules } = await this.connected();
    return this.handle<Result>(await schedules.trigger(name));
  }

  /**
   * Enqueues the jobs of past ticks that have none, oldest first, whatever `catchUp` and `overlap` say. A tick that has
   * its job gets no second one, so it may be called again; one whose job was deleted or pruned has none.
   *
   * @example
   * ```ts
   * const enqueued = await reseolio.backfillSchedule("nightly", { from: new Date("2026-11-01T00:00:00Z") });
   * ```
   *
   * @returns how many; with `dryRun` how many it would be
   * @throws ReseolioError `invalid_argument` that names the option, `not_found`
   */
  async backfillSchedule(name: string, window: BackfillWindow): Promise<number> {
    return (await this.connected()).schedules.backfill(name, window);
  }

  /**
   * The ticks to come, of a schedule by its name or of a rule that is not stored.
   *
   * @example
   * ```ts
   * const { ticks } = await reseolio.previewSchedule({ cron: "0 8 * * 1-5", timezone: "Asia/Tokyo" }, { count: 5 });
   * ```
   *
   * @throws ReseolioError `invalid_argument` that names the option, `not_found`
   */
  async previewSchedule(
    schedule: string | ScheduleRule,
    window: PreviewWindow = {},
  ): Promise<{ readonly timezone: string; readonly ticks: readonly ScheduleTick[] }> {
    return (await this.connected()).schedules.preview(schedule, window);
  }
}
