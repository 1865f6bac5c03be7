import type { Lease } from "../../core/job.ts";
import type { Engine } from "../engine.ts";
import type { WorkerSession } from "../dispatch/worker-session.ts";

/** An attempt that asks for more time. */
export interface AttemptHeartbeat extends Lease {
  readonly extendMs: number;
}

/**
 * Sets the time limits of running attempts anew: each ends so long from now. An attempt without a limit keeps none. It
 * is kept in memory: a worker that connects again tells how much time is left. Whoever has lost the lease is told so.
 */
export function heartbeatAttempts(
  engine: Engine,
  session: WorkerSession,
  heartbeats: readonly AttemptHeartbeat[],
): void {
  for (const heartbeat of heartbeats) {
    const held = session.find(heartbeat);
    if (held === null) session.port.revoke(heartbeat, "stale");
    else if (!held.isRevoked) session.setDeadline(held, heartbeat.extendMs, engine.clock.monotonic());
  }
}
