import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../logger.ts";
import { type Loop, SelfPacedLoop } from "./loop.ts";

/** Interval at which every function is queried, whatever the dispatcher knows. */
const FULL_CHECK_MS = 1_000;
/** A prefetched job should start within a round trip or two; after this it is recalled. */
const MAX_WAIT_MS = 1_000;
/** Interval without clients: there is nobody to claim for, and a worker that connects triggers a claim. */
const ALONE_MS = 1_000;

/**
 * The fallback of push dispatch: claims again after a failed commit, moves prefetched jobs to idle workers, and makes
 * up for lost hints.
 */
export function createPoll(engine: Engine, intervalMs: number, logger: Logger): Loop {
  let checkedAt = -Infinity;
  return new SelfPacedLoop("poll", logger, async () => {
    const now = engine.clock.monotonic();
    if (now - checkedAt >= FULL_CHECK_MS) {
      checkedAt = now;
      engine.dispatcher.markAllReady();
    }
    engine.dispatcher.recallForIdleWorkers();
    if (engine.store.isShared) engine.dispatcher.recallHeldSince(now - MAX_WAIT_MS);
    engine.lane.wake();
    const [session] = engine.dispatcher.sessions;
    return session === undefined ? Math.max(intervalMs, ALONE_MS) : intervalMs;
  });
}
