import type { Engine } from "../engine/engine.ts";
import { fireSchedules } from "../engine/schedules/fire-schedules.ts";
import type { Logger } from "../logger.ts";
import type { Loop } from "./loop.ts";
import { SelfPacedLoop } from "./loop.ts";

/** Other daemons make schedules too, and clocks are set: whatever is known, the store is asked this often. */
const MAX_WAIT_MS = 1_000;
/** What another daemon is firing is looked at again this soon: it may have died with it. */
const TAKEN_MS = 50;

/**
 * Fires the ticks of all schedules at their time, on the store's clock, never early. Each daemon on a database runs
 * one: a tick goes to whoever is first, and to the next one when that dies.
 */
export function createScheduleRunner(engine: Engine, logger: Logger): Loop {
  const loop = new SelfPacedLoop("the runner of schedules", logger, async () => {
    const { now, nextRunAt } = await engine.store.schedules.nextTick();
    engine.schedules.observe(now);
    if (nextRunAt === null || nextRunAt > now) return Math.min(MAX_WAIT_MS, (nextRunAt ?? Infinity) - now);
    return (await fireSchedules(engine)) === 0 ? TAKEN_MS : 0;
  });
  engine.schedules.changed.add(() => loop.within(0));
  engine.schedules.faults.add((fault) =>
    logger.warn("a schedule cannot tick; it is tried again in a minute", { fault }),
  );
  return loop;
}
