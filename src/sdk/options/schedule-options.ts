import type { JobOptions } from "./job-options.ts";

/**
 * Options of the jobs that a schedule enqueues, on top of the function's own. When a job runs is the schedule's to say,
 * and each tick is one job anyway.
 *
 * @example
 * ```ts
 * const patient: ScheduleJobOptions = { maxAttempts: 10, timeoutMs: 600_000, finishWithinMs: 3_600_000 };
 * ```
 */
export type ScheduleJobOptions = Omit<JobOptions, "delayMs" | "runAt" | "idempotencyKey" | "onDuplicate">;

/**
 * What a schedule needs beside its rule. An absent option takes the daemon's default, in brackets.
 *
 * @example
 * ```ts
 * const careful: ScheduleSettings = { timezone: "Europe/Berlin", catchUp: "none", overlap: "skip", jitterMs: 30_000 };
 * ```
 */
export interface ScheduleSettings {
  /** Unique among the schedules that are there, 1 to 256 bytes. [the function's name] */
  readonly name?: string;
  /** IANA name of the zone that the rule is read in. [UTC] */
  readonly timezone?: string;
  /** What becomes of ticks that no daemon was there for: none of them, the latest, or all of them. [latest] */
  readonly catchUp?: "none" | "latest" | "all";
  /** Of catchUp "all": at most so many of the latest ticks, 1 to 10000. [100] */
  readonly maxCatchUp?: number;
  /** At a tick while the job of an earlier one has not ended: enqueue all the same, or skip it. [allow] */
  readonly overlap?: "allow" | "skip";
  /** Delays each tick's job by 0 to this many milliseconds, always the same for the same tick. [0] */
  readonly jitterMs?: number;
  /** No tick before it. Give a fixed time: with that of each start a program's schedule would never be the same. [now] */
  readonly startAt?: Date;
  /** No tick after it. [none] */
  readonly endAt?: Date;
  readonly jobOptions?: ScheduleJobOptions;
  /**
   * When a schedule of this name has other content: fail with `already_exists`, or update it to this content. The same
   * content is never a conflict. [reject]
   */
  readonly onDuplicate?: "reject" | "update";
}

/**
 * A rule and what else a schedule needs.
 *
 * @example
 * ```ts
 * const morning: ScheduleOptions = { cron: "0 8 * * 1-5", timezone: "America/New_York", onDuplicate: "update" };
 * ```
 */
export interface ScheduleOptions extends ScheduleSettings {
  /**
   * Minute, hour, day of month, month, day of week, such as `0 8 * * 1-5`; six fields have seconds first; or `@hourly`,
   * `@daily`, `@weekly`, `@monthly`, `@yearly`.
   */
  readonly cron: string;
}

/**
 * Changes of a schedule: what is absent stays as it is, `null` takes the default again.
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
  /** All of them: arguments are not changed one by one. */
  readonly args?: Args | null;
  readonly catchUp?: "none" | "latest" | "all" | null;
  readonly maxCatchUp?: number | null;
  readonly overlap?: "allow" | "skip" | null;
  readonly jitterMs?: number | null;
  readonly startAt?: Date | null;
  readonly endAt?: Date | null;
  /** All of them: what is absent in it takes the function's own, or its default. */
  readonly jobOptions?: ScheduleJobOptions | null;
}

/** A rule that is not stored, for a preview. */
export type ScheduleRule = Pick<ScheduleOptions, "cron" | "timezone" | "startAt" | "endAt">;
