import type { Engine } from "../engine.ts";

/**
 * Ends a schedule: not even a tick that is due now fires, and the name is free again. Jobs that it enqueued stay. False
 * when there was none.
 */
export function deleteSchedule(engine: Engine, name: string): Promise<boolean> {
  return engine.lane.run(async ({ tx }) => {
    const schedule = await tx.schedules.get(name);
    if (schedule === null) return false;
    await tx.schedules.update({ ...schedule, state: "DELETED", nextRunAt: null, updatedAt: tx.now });
    return true;
  });
}
