import { DaemonError, invalidArgument } from "../../core/errors.ts";
import {
  checkScheduleName,
  isSameSpec,
  resolveScheduleSpec,
  type ScheduleSpecInput,
} from "../../core/schedule-spec.ts";
import { tickAfter } from "../../core/schedule-ticks.ts";
import type { Schedule, ScheduleSpec } from "../../core/schedule.ts";
import type { Engine } from "../engine.ts";
import type { LaneTransaction } from "../lane/lane-transaction.ts";

/**
 * Stores a schedule; its first tick is the next one from now, or from startAt. A repeated call with the same name and
 * content returns the existing schedule, whatever its state. Throws already_exists when the content differs.
 *
 * @param name empty: the function's name is used
 */
export async function createSchedule(
  engine: Engine,
  name: string,
  input: ScheduleSpecInput,
): Promise<{ readonly schedule: Schedule; readonly created: boolean }> {
  const { spec, violations } = resolveScheduleSpec(input, "spec");
  const chosen = name === "" ? spec.functionName : name;
  const all = [...(name === "" ? [] : checkScheduleName(name, "name")), ...violations];
  if (all.length > 0) throw invalidArgument(all);
  const answer = await engine.lane.run((lane) => create(engine, lane, chosen, spec));
  if (answer.created) engine.schedules.changed.notify();
  return answer;
}

async function create(
  engine: Engine,
  lane: LaneTransaction,
  name: string,
  spec: ScheduleSpec,
): Promise<{ readonly schedule: Schedule; readonly created: boolean }> {
  const { schedules } = lane.tx;
  const there = await schedules.get(name);
  if (there !== null) return { schedule: sameOrRefused(there, spec), created: false };
  const schedule = newSchedule(engine, lane.tx.now, name, spec);
  if (await schedules.insert(schedule)) return { schedule, created: true };
  // Another daemon created it first, and has committed by now.
  const other = await schedules.get(name);
  if (other === null)
    throw new DaemonError(
      "unavailable",
      `another client created and deleted schedule ${JSON.stringify(name)} at the same time: try again`,
    );
  return { schedule: sameOrRefused(other, spec), created: false };
}

function newSchedule(engine: Engine, now: number, name: string, spec: ScheduleSpec): Schedule {
  const nextRunAt = tickAfter(spec, now);
  if (nextRunAt === null) {
    throw invalidArgument([
      { field: "spec.end_at", description: "is before the first tick; use a later time, or omit it" },
    ]);
  }
  return {
    scheduleId: engine.newJobId(),
    name,
    state: "ACTIVE",
    spec,
    createdAt: now,
    updatedAt: now,
    nextRunAt,
    lastRunAt: null,
    lastJobId: null,
    skipped: 0,
    liveFrom: 0,
  };
}

function sameOrRefused(there: Schedule, spec: ScheduleSpec): Schedule {
  if (isSameSpec(there.spec, spec)) return there;
  throw new DaemonError(
    "already_exists",
    `a schedule named ${JSON.stringify(there.name)} already exists with different settings: update it, or choose another name`,
    { metadata: { name: there.name, scheduleId: there.scheduleId } },
  );
}
