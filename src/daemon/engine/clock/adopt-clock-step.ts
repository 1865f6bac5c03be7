import type { SteadyClock } from "../../core/steady-clock.ts";
import type { Engine } from "../engine.ts";

/**
 * Follows a step of the wall clock: moves every length of time that is under way (retry delays, sleeps, timeouts of
 * waits, deadlines) by as much, in one commit, so that none is early or late by it. What was asked for by date stays.
 * Until that commit the clock goes on as before the step; a daemon that dies before it starts with the wall clock.
 * Returns the step in milliseconds, 0 when there was none.
 */
export async function adoptClockStep(engine: Engine, clock: SteadyClock): Promise<number> {
  const step = clock.heldStep;
  if (step === 0) return 0;
  await engine.lane.run(({ tx }) => tx.moveLengths(step));
  clock.adopt(step);
  // Whoever waits for a time that was read before the step looks again.
  engine.dispatcher.due.notify(-Infinity);
  return step;
}
