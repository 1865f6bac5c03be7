/** Checks of the schedules that callers give. */
import { MAX_UINT32, WIRE_LIMITS } from "#proto/contract.ts";
import { parseCron } from "./cron.ts";
import type { FieldViolation } from "./errors.ts";
import {
  checkFunctionName,
  checkTime,
  hasControlCharacter,
  type JobOptions,
  type JobOptionsInput,
  resolveJobOptions,
} from "./job-options.ts";
import { type CatchUp, type Overlap, SCHEDULE_DEFAULTS, type ScheduleSpec } from "./schedule.ts";
import { findTimeZone } from "./time-zone.ts";

/** A schedule as a caller gives it; an absent field takes its default. */
export interface ScheduleSpecInput {
  readonly cron?: string;
  readonly timeZone?: string;
  readonly functionName?: string;
  /** JSON array. */
  readonly args?: Uint8Array;
  readonly options?: JobOptionsInput;
  readonly catchUp?: CatchUp;
  readonly maxCatchUp?: number;
  readonly overlap?: Overlap;
  readonly jitterMs?: number;
  readonly startAt?: number;
  readonly endAt?: number;
}

/** Fills in defaults and reports every violation with the field's path under `path`. */
export function resolveScheduleSpec(
  input: ScheduleSpecInput,
  path: string,
): { readonly spec: ScheduleSpec; readonly violations: readonly FieldViolation[] } {
  const { options, violations } = resolveTickOptions(input.options ?? {}, `${path}.options`);
  const spec: ScheduleSpec = {
    cron: (input.cron ?? "").trim(),
    timeZone: input.timeZone ?? SCHEDULE_DEFAULTS.timeZone,
    functionName: input.functionName ?? "",
    args: input.args === undefined || input.args.length === 0 ? NO_ARGS : input.args,
    options,
    catchUp: input.catchUp ?? SCHEDULE_DEFAULTS.catchUp,
    maxCatchUp: input.maxCatchUp ?? SCHEDULE_DEFAULTS.maxCatchUp,
    overlap: input.overlap ?? SCHEDULE_DEFAULTS.overlap,
    jitterMs: input.jitterMs ?? SCHEDULE_DEFAULTS.jitterMs,
    startAt: input.startAt ?? null,
    endAt: input.endAt ?? null,
  };
  return {
    spec,
    violations: [
      ...checkRule(spec, path),
      ...checkFunctionName(spec.functionName, `${path}.function_name`),
      ...checkArgs(spec.args, `${path}.args`),
      ...violations,
      ...integer(`${path}.max_catch_up`, spec.maxCatchUp, 1, WIRE_LIMITS.catchUpTicks),
      ...integer(`${path}.jitter_ms`, spec.jitterMs, 0, MAX_UINT32),
    ],
  };
}

const NO_ARGS = new TextEncoder().encode("[]");

/** Violations in the fields that decide the ticks. */
export function checkRule(
  rule: Pick<ScheduleSpec, "cron" | "timeZone" | "startAt" | "endAt">,
  path: string,
): readonly FieldViolation[] {
  const violations: FieldViolation[] = [];
  const parsed = parseCron(rule.cron);
  if ("fault" in parsed) violations.push({ field: `${path}.cron`, description: parsed.fault });
  if (findTimeZone(rule.timeZone) === null) {
    violations.push({
      field: `${path}.time_zone`,
      description: `${JSON.stringify(rule.timeZone)} is not an IANA time zone; use one such as "Europe/Berlin" or "UTC"`,
    });
  }
  if (rule.startAt !== null) violations.push(...checkTime(rule.startAt, `${path}.start_at`));
  if (rule.endAt !== null) violations.push(...checkTime(rule.endAt, `${path}.end_at`));
  if (rule.startAt !== null && rule.endAt !== null && rule.endAt < rule.startAt) {
    violations.push({ field: `${path}.end_at`, description: "is before start_at; use a later time" });
  }
  return violations;
}

/** Violations in a schedule's name; empty when it is valid. */
export function checkScheduleName(name: string, field: string): readonly FieldViolation[] {
  const length = Buffer.byteLength(name);
  if (name.trim() === "") return [{ field, description: 'is empty; use a name such as "nightly-report"' }];
  if (length > WIRE_LIMITS.scheduleNameBytes)
    return [{ field, description: `is ${length} bytes long; at most ${WIRE_LIMITS.scheduleNameBytes} are allowed` }];
  if (!hasControlCharacter(name)) return [];
  return [{ field, description: `${JSON.stringify(name)} has a control character; use printable ones` }];
}

/** Whether two schedules have the same content. */
export function isSameSpec(left: ScheduleSpec, right: ScheduleSpec): boolean {
  return textOf(left) === textOf(right) && Buffer.compare(left.args, right.args) === 0;
}

function textOf(spec: ScheduleSpec): string {
  const { args: _, options, ...rest } = spec;
  const headers = Object.entries(options.headers).sort(([left], [right]) => (left < right ? -1 : 1));
  return JSON.stringify([sorted(rest), sorted({ ...options, headers })]);
}

function sorted(value: object): readonly (readonly [string, unknown])[] {
  return Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
}

function resolveTickOptions(
  input: JobOptionsInput,
  path: string,
): { readonly options: JobOptions; readonly violations: readonly FieldViolation[] } {
  const { options, violations } = resolveJobOptions(input, path);
  const foreign = [
    ["run_at", input.runAt],
    ["delay_ms", input.delayMs],
    ["idempotency_key", input.idempotencyKey],
    ["on_duplicate", input.onDuplicate],
  ] as const;
  const refused = foreign
    .filter(([, value]) => value !== undefined)
    .map(([field]) => ({
      field: `${path}.${field}`,
      description: "cannot be set for a schedule: each tick has its own time and job",
    }));
  return { options, violations: [...violations, ...refused] };
}

function checkArgs(args: Uint8Array, field: string): readonly FieldViolation[] {
  if (args.byteLength <= WIRE_LIMITS.payloadBytes) return [];
  const description = `are ${args.byteLength} bytes long; at most ${WIRE_LIMITS.payloadBytes} are allowed`;
  return [{ field, description: `${description}: store the data elsewhere and pass its id` }];
}

function integer(field: string, value: number, min: number, max: number): readonly FieldViolation[] {
  if (Number.isInteger(value) && value >= min && value <= max) return [];
  return [{ field, description: `is ${value}; use a whole number from ${min} to ${max}` }];
}
