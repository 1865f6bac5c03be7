import type { Engine } from "../engine.ts";

/** Events deleted by one commit: about 2 ms, so that nobody waits for the pruner. */
const SLICE = 500;

/** Deletes events past their retention, a slice per commit: whoever awaits one then waits for the next emission. */
export async function pruneEvents(engine: Engine, eventMs: number, shouldStop: () => boolean): Promise<number> {
  let deleted = 0;
  let isDone = eventMs === 0;
  while (!isDone && !shouldStop()) {
    const slice = await engine.lane.run(({ tx }) => tx.events.prune(tx.now - eventMs, SLICE));
    deleted += slice;
    isDone = slice < SLICE;
  }
  return deleted;
}
