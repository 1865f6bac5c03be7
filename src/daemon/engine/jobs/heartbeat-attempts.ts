import type { Lease } from "../../core/job.ts";
import type { WorkerSession } from "../dispatch/worker-session.ts";
import type { Engine } from "../engine.ts";

/** An attempt that asks for more time. */
export interface AttemptHeartbeat extends Lease {
  readonly extendMs: number;
}

/**
 * Extends the time limits of running attempts: each ends `extendMs` from now. An attempt without a limit keeps none.
 * Extensions live in memory: a worker that reconnects reports how much time is left. Stale leases are revoked.
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
