import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../logger.ts";
import type { Loop } from "./loop.ts";
import { SelfPacedLoop } from "./loop.ts";

/** All functions are looked at afresh this often, whatever the hints say. */
const FULL_LOOK_MS = 1_000;
/** What is leased ahead is there for a round trip or two. */
const MAX_WAIT_MS = 1_000;
/** Without a client there is nobody to claim for; whoever connects is claimed for at once. */
const ALONE_MS = 1_000;

/**
 * The fallback of a dispatch that is pushed: claims again after a commit that failed, moves prefetched jobs to workers
 * that idle, and makes up for hints that got lost.
 */
export function createPoll(engine: Engine, intervalMs: number, logger: Logger): Loop {
  let lookedAt = -Infinity;
  return new SelfPacedLoop("the poll", logger, async () => {
    const now = engine.clock.monotonic();
    if (now - lookedAt >= FULL_LOOK_MS) {
      lookedAt = now;
      engine.dispatcher.markAllReady();
    }
    engine.dispatcher.recallForIdleWorkers();
    if (engine.store.isShared) engine.dispatcher.recallHeldSince(now - MAX_WAIT_MS);
    engine.lane.wake();
    const [session] = engine.dispatcher.sessions;
    return session === undefined ? Math.max(intervalMs, ALONE_MS) : intervalMs;
  });
}
