import { ReseolioError } from "./errors.ts";
import type { JobHandle } from "./job-handle.ts";
import type { ScheduleDetails, ScheduleStatus } from "./schedule-details.ts";
import type { BackfillWindow } from "./schedule-query.ts";
import type { ScheduleUpdate } from "./options/schedule-options.ts";

/** What a handle asks of its client. */
export interface ScheduleAccess {
  getSchedule(name: string): Promise<ScheduleDetails>;
  updateSchedule(name: string, update: ScheduleUpdate): Promise<ScheduleDetails>;
  pauseSchedule(name: string): Promise<ScheduleDetails>;
  resumeSchedule(name: string): Promise<ScheduleDetails>;
  deleteSchedule(name: string): Promise<boolean>;
  triggerSchedule(name: string): Promise<JobHandle>;
  backfillSchedule(name: string, window: BackfillWindow): Promise<number>;
}

/**
 * One schedule, known by its name. It goes on when this process ends.
 *
 * @example
 * ```ts
 * const schedule: ScheduleHandle = await reseolio.createSchedule("reports:build", { cron: "0 8 * * *" }, ["eu"]);
 * await schedule.pause();
 * await schedule.update({ cron: "0 9 * * *" });
 * console.log(await schedule.status(), await schedule.resume().then(() => schedule.nextRunAt()));
 * ```
 */
export class ScheduleHandle<Args extends unknown[] = unknown[], Result = unknown> {
  constructor(
    readonly id: string,
    readonly name: string,
    private readonly access: ScheduleAccess,
  ) {}

  /** Everything that is kept of it. @throws ReseolioError `not_found` when it was deleted */
  details(): Promise<ScheduleDetails> {
    return this.access.getSchedule(this.name);
  }

  /** Where it stands now; `deleted` also when its name has been given to a new one. */
  async status(): Promise<ScheduleStatus> {
    try {
      const details = await this.details();
      return details.id === this.id ? details.status : "deleted";
    } catch (error) {
      if (error instanceof ReseolioError && error.code === "not_found") return "deleted";
      throw error;
    }
  }

  /**
   * Ticks while it is paused enqueue nothing and are not caught up. Harmless when it is paused.
   *
   * @throws ReseolioError `not_found` when it was deleted
   */
  pause(): Promise<ScheduleDetails> {
    return this.access.pauseSchedule(this.name);
  }

  /** Ticks again, from now on. Harmless when it is active. @throws ReseolioError `not_found` when it was deleted */
  resume(): Promise<ScheduleDetails> {
    return this.access.resumeSchedule(this.name);
  }

  /**
   * Changes what is given; what is absent stays. Jobs that are enqueued already stay as they are.
   *
   * @throws ReseolioError `invalid_argument` that names the option, `not_found` when it was deleted
   */
  update(changes: ScheduleUpdate<Args>): Promise<ScheduleDetails> {
    return this.access.updateSchedule(this.name, changes);
  }

  /**
   * Ends it; its name is free again. Jobs that it enqueued stay as they are.
   *
   * @returns false when there was none of this name
   */
  delete(): Promise<boolean> {
    return this.access.deleteSchedule(this.name);
  }

  /**
   * Enqueues one job now, beside the ticks, with the schedule's arguments and options.
   *
   * @throws ReseolioError `not_found` when it was deleted
   */
  async trigger(): Promise<JobHandle<Result>> {
    // The function's type, carried by the handle.
    return (await this.access.triggerSchedule(this.name)) as JobHandle<Result>;
  }

  /**
   * Enqueues the jobs of past ticks that have none; may be called again.
   *
   * @returns how many; with `dryRun` how many it would be
   * @throws ReseolioError `invalid_argument` that names the option, `not_found` when it was deleted
   */
  backfill(window: BackfillWindow): Promise<number> {
    return this.access.backfillSchedule(this.name, window);
  }

  /** Undefined when no tick will come. @throws ReseolioError `not_found` when it was deleted */
  async nextRunAt(): Promise<Date | undefined> {
    return (await this.details()).nextRunAt;
  }

  /** The latest tick that enqueued a job. @throws ReseolioError `not_found` when it was deleted */
  async lastRunAt(): Promise<Date | undefined> {
    return (await this.details()).lastRunAt;
  }
}
