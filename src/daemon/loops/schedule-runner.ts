import type { Engine } from "../engine/engine.ts";
import { fireSchedules } from "../engine/schedules/fire-schedules.ts";
import type { Logger } from "../logger.ts";
import { type Loop, SelfPacedLoop } from "./loop.ts";

/** Longest time between queries: other daemons create schedules too, and clocks are set. */
const MAX_WAIT_MS = 1_000;
/** Delay before a schedule that another daemon is firing is checked again, as that daemon may have crashed. */
const LOCKED_MS = 50;

/**
 * Fires the ticks of all schedules at their time on the store's clock, never early. Every daemon on a database runs
 * one: a tick goes to the first daemon, and to the next one if that crashes.
 */
export function createScheduleRunner(engine: Engine, logger: Logger): Loop {
  const loop = new SelfPacedLoop("schedule runner", logger, async () => {
    const { now, nextRunAt } = await engine.store.schedules.nextTick();
    engine.schedules.observe(now);
    if (nextRunAt === null || nextRunAt > now) return Math.min(MAX_WAIT_MS, (nextRunAt ?? Infinity) - now);
    return (await fireSchedules(engine)) === 0 ? LOCKED_MS : 0;
  });
  engine.schedules.changed.add(() => loop.within(0));
  engine.schedules.faults.add((fault) =>
    logger.warn("cannot compute the ticks of a schedule; retrying in a minute", { fault }),
  );
  return loop;
}
