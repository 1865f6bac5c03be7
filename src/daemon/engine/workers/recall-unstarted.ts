import type { Engine } from "../engine.ts";

/**
 * Recalls all leases that workers have not started, and waits until they are released or the time is up. A lease that
 * is not released stays with its worker, which reports it to the next daemon.
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
  // An empty write: when it is committed, so are the releases. An unavailable store must not block the shutdown.
  await engine.lane.run(() => Promise.resolve()).catch(() => {});
}

function hasWaiting(engine: Engine): boolean {
  for (const session of engine.dispatcher.sessions) if (session.waitingLeases().length > 0) return true;
  return false;
}
