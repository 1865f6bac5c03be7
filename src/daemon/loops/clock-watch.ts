import type { SteadyClock } from "../core/steady-clock.ts";
import { adoptClockStep } from "../engine/clock/adopt-clock-step.ts";
import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../logger.ts";
import type { Loop } from "./loop.ts";
import { everyInterval } from "./loop.ts";

const LOOK_MS = 1_000;

/** Notices within a second that somebody set the machine's clock, and moves what waits for a length of time with it. */
export function createClockWatch(engine: Engine, clock: SteadyClock, logger: Logger): Loop {
  return everyInterval("the watch over the clock", LOOK_MS, logger, async () => {
    const stepMs = await adoptClockStep(engine, clock);
    if (stepMs !== 0)
      logger.warn("the machine's clock was set; delays, sleeps and deadlines moved with it", { stepMs });
  });
}
