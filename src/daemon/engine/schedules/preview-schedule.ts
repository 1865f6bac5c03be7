import { cronRule } from "../../core/cron.ts";
import { invalidArgument } from "../../core/errors.ts";
import { checkTime } from "../../core/job-options.ts";
import { nextTick } from "../../core/next-tick.ts";
import { checkRule, type ScheduleSpecInput } from "../../core/schedule-spec.ts";
import type { TickRule } from "../../core/schedule-ticks.ts";
import { SCHEDULE_DEFAULTS } from "../../core/schedule.ts";
import { timeZoneOf } from "../../core/time-zone.ts";
import type { Engine } from "../engine.ts";
import { getSchedule } from "./read-schedules.ts";

/** A future tick. */
export interface PreviewedTick {
  readonly at: number;
  /** Milliseconds that local time is ahead of UTC at the tick. */
  readonly offsetMs: number;
  /** The zone's offset differs from the offset at the previous tick, or at `after` for the first tick. */
  readonly offsetChanged: boolean;
  /** Its local time does not exist on that day. */
  readonly isInGap: boolean;
}

export interface PreviewRequest {
  /** Name of a stored schedule; empty: `rule` is used. */
  readonly name: string;
  readonly rule: ScheduleSpecInput;
  /** Ticks after this time; null: now, on the store's clock. */
  readonly after: number | null;
  /** 1 to MAX_PREVIEW; 0 means DEFAULT_PREVIEW. */
  readonly count: number;
}

const DEFAULT_PREVIEW = 10;
const MAX_PREVIEW = 1_000;

/** Lists future ticks, whatever the schedule's state. Throws not_found, and invalid_argument for an invalid rule. */
export async function previewSchedule(
  engine: Engine,
  request: PreviewRequest,
): Promise<{ readonly ticks: readonly PreviewedTick[]; readonly timeZone: string }> {
  if (request.count > MAX_PREVIEW) {
    const description = `is ${request.count}; use a whole number from 1 to ${MAX_PREVIEW}`;
    throw invalidArgument([{ field: "count", description }]);
  }
  const faults = request.after === null ? [] : checkTime(request.after, "after");
  if (faults.length > 0) throw invalidArgument(faults);
  const rule = await ruleOf(engine, request);
  const after = request.after ?? (await engine.store.schedules.nextTick()).now;
  return { ticks: listTicks(rule, after, request.count || DEFAULT_PREVIEW), timeZone: rule.timeZone };
}

async function ruleOf(engine: Engine, { name, rule: input }: PreviewRequest): Promise<TickRule> {
  if (name !== "") return (await getSchedule(engine, name)).schedule.spec;
  const rule = {
    cron: (input.cron ?? "").trim(),
    timeZone: input.timeZone ?? SCHEDULE_DEFAULTS.timeZone,
    startAt: input.startAt ?? null,
    endAt: input.endAt ?? null,
  };
  const violations = checkRule(rule, "spec");
  if (violations.length > 0) throw invalidArgument(violations);
  return rule;
}

function listTicks(rule: TickRule, after: number, count: number): readonly PreviewedTick[] {
  const zone = timeZoneOf(rule.timeZone);
  const cron = cronRule(rule.cron);
  const ticks: PreviewedTick[] = [];
  let from = rule.startAt === null ? after : Math.max(after, rule.startAt - 1);
  let offset = zone.offsetAt(from);
  while (ticks.length < count) {
    const tick = nextTick(cron, zone, from);
    if (tick === null || (rule.endAt !== null && tick.at > rule.endAt)) break;
    const offsetMs = zone.offsetAt(tick.at);
    ticks.push({ at: tick.at, offsetMs, offsetChanged: offsetMs !== offset, isInGap: tick.isInGap });
    [from, offset] = [tick.at, offsetMs];
  }
  return ticks;
}
