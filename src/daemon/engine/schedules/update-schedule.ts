import { type FieldViolation, invalidArgument } from "../../core/errors.ts";
import type { JobOptionsInput } from "../../core/job-options.ts";
import { resolveScheduleSpec, type ScheduleSpecInput } from "../../core/schedule-spec.ts";
import { tickAfter } from "../../core/schedule-ticks.ts";
import type { Schedule, ScheduleSpec, ScheduleStatus } from "../../core/schedule.ts";
import type { Engine } from "../engine.ts";
import { changeSchedule } from "./change-schedule.ts";

/** Fields that can be reset to their defaults, by their names in the protocol. */
const CLEARABLE = {
  time_zone: "timeZone",
  args: "args",
  options: "options",
  catch_up: "catchUp",
  max_catch_up: "maxCatchUp",
  overlap: "overlap",
  jitter_ms: "jitterMs",
  start_at: "startAt",
  end_at: "endAt",
} as const satisfies Record<string, keyof ScheduleSpecInput>;

/**
 * Changes the given fields and resets those in `clearFields` to their defaults. A tick that was due before the change
 * fires by the old rule; the next one is the first of the new rule from now. Throws not_found.
 */
export async function updateSchedule(
  engine: Engine,
  name: string,
  input: ScheduleSpecInput,
  clearFields: readonly string[],
): Promise<ScheduleStatus> {
  const cleared = checkCleared(input, clearFields);
  return changeSchedule(engine, name, (schedule, now) => {
    const given = { ...inputOf(schedule.spec), ...input };
    for (const field of cleared) delete given[field];
    const { spec, violations } = resolveScheduleSpec(given, "spec");
    if (violations.length > 0) throw invalidArgument(violations);
    return withSpec(schedule, spec, now);
  });
}

function withSpec(schedule: Schedule, spec: ScheduleSpec, now: number): Schedule {
  if (schedule.state !== "ACTIVE" || isSameRule(schedule.spec, spec)) return { ...schedule, spec };
  return { ...schedule, spec, nextRunAt: tickAfter(spec, now) };
}

function isSameRule(left: ScheduleSpec, right: ScheduleSpec): boolean {
  return (
    left.cron === right.cron &&
    left.timeZone === right.timeZone &&
    left.startAt === right.startAt &&
    left.endAt === right.endAt
  );
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** The input that yields this spec. */
function inputOf({ startAt, endAt, options, ...rest }: ScheduleSpec): Mutable<ScheduleSpecInput> {
  return {
    ...rest,
    options: optionsInputOf(options),
    ...(startAt !== null && { startAt }),
    ...(endAt !== null && { endAt }),
  };
}

function optionsInputOf(options: ScheduleSpec["options"]): JobOptionsInput {
  const { delayMs: _, runAt: __, onDuplicate: ___, idempotencyKey: ____, ...rest } = options;
  const { startWithinMs, finishWithinMs, ...input } = rest;
  return {
    ...input,
    ...(startWithinMs !== null && { startWithinMs }),
    ...(finishWithinMs !== null && { finishWithinMs }),
  };
}

function checkCleared(
  input: ScheduleSpecInput,
  clearFields: readonly string[],
): readonly (typeof CLEARABLE)[keyof typeof CLEARABLE][] {
  const violations: FieldViolation[] = [];
  const cleared = clearFields.flatMap((field, index) => {
    const path = `clear_fields[${index}]`;
    if (!Object.hasOwn(CLEARABLE, field)) {
      const known = Object.keys(CLEARABLE).join(", ");
      violations.push({
        field: path,
        description: `${JSON.stringify(field)} cannot be cleared; use one of ${known}`,
      });
      return [];
    }
    const key = CLEARABLE[field as keyof typeof CLEARABLE];
    if (input[key] !== undefined) violations.push({ field: path, description: `${field} is also set in spec` });
    return [key];
  });
  if (violations.length > 0) throw invalidArgument(violations);
  return cleared;
}
