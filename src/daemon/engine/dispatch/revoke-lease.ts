import type { JobError } from "../../core/job.ts";
import type { RevocationReason } from "./worker-port.ts";
import type { HeldLease, WorkerSession } from "./worker-session.ts";

/**
 * Notifies a worker that its lease is gone. The slot stays occupied until the worker reports that the handler has
 * ended.
 */
export function revoke(session: WorkerSession, held: HeldLease, reason: RevocationReason): void {
  held.isRevoked = true;
  held.deadline = Infinity;
  // The worker never received it, so it has nothing to end.
  if (held.isInTransit) session.remove(held);
  else session.port.revoke(held, reason);
}

/** The reason that a worker is given, from the error that the job was left with. */
export function revocationReason(error: JobError | null | undefined): RevocationReason {
  switch (error?.reason) {
    case "timeout":
    case "cancelled":
    case "start_deadline":
    case "finish_deadline":
      return error.reason;
    default:
      return "stale";
  }
}
