import type { SteadyClock } from "../../core/steady-clock.ts";
import type { Engine } from "../engine.ts";

/**
 * Follows a step of the wall clock: shifts every running duration (retry delays, sleeps, timeouts of waits, deadlines)
 * by the same amount in one commit, so that none becomes early or late. Times that were given as dates stay. Until that
 * commit the clock runs as if there had been no step; a daemon that crashes before it restarts with the wall clock.
 * Returns the step in milliseconds, 0 when there was none.
 */
export async function adoptClockStep(engine: Engine, clock: SteadyClock): Promise<number> {
  const step = clock.heldStep;
  if (step === 0) return 0;
  await engine.lane.run(({ tx }) => tx.moveLengths(step));
  clock.adopt(step);
  // Timers that were set by the clock before the step must check again.
  engine.dispatcher.due.notify(-Infinity);
  return step;
}
