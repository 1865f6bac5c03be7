import { ReseolioError } from "./errors.ts";
import type { JobHandle } from "./job-handle.ts";
import type { ScheduleUpdate } from "./options/schedule-options.ts";
import type { ScheduleDetails, ScheduleStatus } from "./schedule-details.ts";
import type { BackfillWindow } from "./schedule-query.ts";

/** What a handle needs from its client. */
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
 * A reference to one schedule, by name. The schedule continues after this process ends.
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
  readonly #access: ScheduleAccess;

  constructor(
    readonly id: string,
    readonly name: string,
    access: ScheduleAccess,
  ) {
    this.#access = access;
  }

  /** The stored schedule. @throws ReseolioError `not_found` when it was deleted */
  details(): Promise<ScheduleDetails> {
    return this.#access.getSchedule(this.name);
  }

  /** The schedule's current status; `deleted` also when a new schedule has taken its name. */
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
   * Pauses the schedule: its ticks enqueue nothing, and are not caught up later. Does nothing if it is paused.
   *
   * @throws ReseolioError `not_found` when it was deleted
   */
  pause(): Promise<ScheduleDetails> {
    return this.#access.pauseSchedule(this.name);
  }

  /**
   * Resumes the schedule from now on. Does nothing if it is active.
   *
   * @throws ReseolioError `not_found` when it was deleted
   */
  resume(): Promise<ScheduleDetails> {
    return this.#access.resumeSchedule(this.name);
  }

  /**
   * Changes the given fields; absent fields stay as they are. Jobs that are already enqueued are not affected.
   *
   * @throws ReseolioError `invalid_argument` that names the option, `not_found` when it was deleted
   */
  update(changes: ScheduleUpdate<Args>): Promise<ScheduleDetails> {
    return this.#access.updateSchedule(this.name, changes);
  }

  /**
   * Deletes the schedule and frees its name. Jobs that it enqueued are not affected.
   *
   * @returns false when it was already deleted
   */
  delete(): Promise<boolean> {
    return this.#access.deleteSchedule(this.name);
  }

  /**
   * Enqueues one job now, in addition to the ticks, with the schedule's arguments and options.
   *
   * @throws ReseolioError `not_found` when it was deleted
   */
  async trigger(): Promise<JobHandle<Result>> {
    // The function's type, carried by the handle.
    return (await this.#access.triggerSchedule(this.name)) as JobHandle<Result>;
  }

  /**
   * Enqueues jobs for past ticks that have none. The call can be repeated: a tick never gets a second job.
   *
   * @returns how many jobs were enqueued, or with `dryRun` how many would be
   * @throws ReseolioError `invalid_argument` that names the option, `not_found` when it was deleted
   */
  backfill(window: BackfillWindow): Promise<number> {
    return this.#access.backfillSchedule(this.name, window);
  }

  /** Time of the next tick; undefined when there is none. @throws ReseolioError `not_found` when it was deleted */
  async nextRunAt(): Promise<Date | undefined> {
    return (await this.details()).nextRunAt;
  }

  /** Time of the latest tick that enqueued a job. @throws ReseolioError `not_found` when it was deleted */
  async lastRunAt(): Promise<Date | undefined> {
    return (await this.details()).lastRunAt;
  }
}
