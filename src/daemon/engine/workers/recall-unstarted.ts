import type { Engine } from "../engine.ts";

/**
 * Asks all workers for the leases that they have not started, and waits until they are back or the time is over. What
 * does not come back stays leased: its worker brings it to the next daemon.
 */
export async function recallUnstarted(engine: Engine, withinMs: number): Promise<void> {
  const deadline = engine.clock.monotonic() + withinMs;
  for (const session of engine.dispatcher.sessions) {
    const waiting = session.waitingLeases();
    if (waiting.length > 0) session.port.recall(waiting);
  }
  while (hasWaiting(engine) && engine.clock.monotonic() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  // What came back is committed when this was; a store that is away must keep nobody from leaving.
  await engine.lane.run(() => Promise.resolve()).catch(() => {});
}

function hasWaiting(engine: Engine): boolean {
  for (const session of engine.dispatcher.sessions) if (session.waitingLeases().length > 0) return true;
  return false;
}
