import type { JobOptions } from "./job-options.ts";

/**
 * Options of the jobs that a schedule enqueues; they override the function's own. Options that delay or deduplicate a
 * job are excluded: the schedule decides when a job runs, and each tick is one job.
 *
 * @example
 * ```ts
 * const patient: ScheduleJobOptions = { maxAttempts: 10, timeoutMs: 600_000, finishWithinMs: 3_600_000 };
 * ```
 */
export type ScheduleJobOptions = Omit<JobOptions, "delayMs" | "runAt" | "idempotencyKey" | "onDuplicate">;

/**
 * Settings of a schedule other than its rule. An absent one uses the daemon's default, in brackets.
 *
 * @example
 * ```ts
 * const careful: ScheduleSettings = { timezone: "Europe/Berlin", catchUp: "none", overlap: "skip", jitterMs: 30_000 };
 * ```
 */
export interface ScheduleSettings {
  /** Unique among the existing schedules, 1 to 256 bytes. [the function's name] */
  readonly name?: string;
  /** IANA name of the time zone of the rule. [UTC] */
  readonly timezone?: string;
  /** Which ticks are caught up after no daemon was running: none, the latest, or all of them. [latest] */
  readonly catchUp?: "none" | "latest" | "all";
  /** With catchUp "all": how many of the latest ticks at most, 1 to 10000. [100] */
  readonly maxCatchUp?: number;
  /** Whether a tick enqueues a job while the job of an earlier tick has not ended. [allow] */
  readonly overlap?: "allow" | "skip";
  /** Delays each tick's job by up to this many milliseconds; the delay of a given tick is always the same. [0] */
  readonly jitterMs?: number;
  /** No tick before this time. Use a fixed time: with `new Date()` the content would differ at each start. [now] */
  readonly startAt?: Date;
  /** No tick after this time. [none] */
  readonly endAt?: Date;
  readonly jobOptions?: ScheduleJobOptions;
  /**
   * What to do if a schedule of this name has different content: fail with `already_exists`, or update it. Equal
   * content is never a conflict. [reject]
   */
  readonly onDuplicate?: "reject" | "update";
}

/**
 * The rule and the settings of a schedule.
 *
 * @example
 * ```ts
 * const morning: ScheduleOptions = { cron: "0 8 * * 1-5", timezone: "America/New_York", onDuplicate: "update" };
 * ```
 */
export interface ScheduleOptions extends ScheduleSettings {
  /**
   * Five fields: minute, hour, day of month, month, day of week, such as `0 8 * * 1-5`. Six fields start with seconds.
   * Or one of `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
   */
  readonly cron: string;
}

/**
 * Changes to a schedule. Absent fields stay as they are; `null` restores the default.
 *
 * @example
 * ```ts
 * const later: ScheduleUpdate<[string]> = { cron: "30 9 * * *", endAt: null, args: ["eu"] };
 * ```
 */
export interface ScheduleUpdate<Args extends readonly unknown[] = readonly unknown[]> {
  readonly cron?: string;
  readonly timezone?: string | null;
  readonly functionName?: string;
  /** Replaces all arguments. */
  readonly args?: Args | null;
  readonly catchUp?: "none" | "latest" | "all" | null;
  readonly maxCatchUp?: number | null;
  readonly overlap?: "allow" | "skip" | null;
  readonly jitterMs?: number | null;
  readonly startAt?: Date | null;
  readonly endAt?: Date | null;
  /** Replaces all job options; absent ones use the function's own, or the default. */
  readonly jobOptions?: ScheduleJobOptions | null;
}

/** A rule that is not stored, for a preview. */
export type ScheduleRule = Pick<ScheduleOptions, "cron" | "timezone" | "startAt" | "endAt">;
