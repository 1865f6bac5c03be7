import type { SteadyClock } from "../core/steady-clock.ts";
import { adoptClockStep } from "../engine/clock/adopt-clock-step.ts";
import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../logger.ts";
import { everyInterval, type Loop } from "./loop.ts";

const CHECK_MS = 1_000;

const CONSEQUENCE = {
  sqlite: "delays, sleeps and deadlines were shifted with it",
  postgres: "delays, sleeps and deadlines follow the database's clock",
} as const;

/** Detects within a second that the system clock was set, and shifts running durations with it. */
export function createClockWatch(engine: Engine, clock: SteadyClock, logger: Logger): Loop {
  return everyInterval("clock watch", CHECK_MS, logger, async () => {
    const stepMs = await adoptClockStep(engine, clock);
    if (stepMs !== 0) logger.warn(`system clock was set; ${CONSEQUENCE[engine.store.kind]}`, { stepMs });
  });
}
