import { scheduleNotFound } from "../../core/errors.ts";
import type { Schedule, ScheduleStatus } from "../../core/schedule.ts";
import type { Engine } from "../engine.ts";
import { type FiredSlice, fireDue } from "./fire-schedules.ts";
import { getSchedule } from "./read-schedules.ts";

/**
 * Changes a schedule in one commit. Ticks that are due by then fire first, by the old rule, so that a change neither
 * loses nor repeats a tick. Throws not_found.
 *
 * @param change returns the new schedule, or the same object for no change
 */
export async function changeSchedule(
  engine: Engine,
  name: string,
  change: (schedule: Schedule, now: number) => Schedule,
): Promise<ScheduleStatus> {
  for (;;) {
    const slice = await engine.lane.run(async (lane): Promise<FiredSlice | null> => {
      const { schedules, now } = lane.tx;
      const before = await schedules.get(name);
      if (before === null) throw scheduleNotFound(name);
      if (before.nextRunAt !== null && before.nextRunAt <= now) return fireDue(engine, lane, [before]);
      const after = change(before, now);
      if (after !== before) await schedules.update({ ...after, updatedAt: now });
      return null;
    });
    if (slice === null) break;
    engine.schedules.record(slice);
  }
  engine.schedules.changed.notify();
  return getSchedule(engine, name);
}
