import type { JobError } from "../../core/job.ts";
import type { RevocationReason } from "./worker-port.ts";
import type { HeldLease, WorkerSession } from "./worker-session.ts";

/** Tells a worker that its lease is gone. Its slot stays taken until it says that the handler has ended. */
export function revoke(session: WorkerSession, held: HeldLease, reason: RevocationReason): void {
  held.isRevoked = true;
  held.deadline = Infinity;
  // What never reached its worker needs no end there.
  if (held.isInTransit) session.remove(held);
  else session.port.revoke(held, reason);
}

/** What a worker is told, by the error that a job was left with. */
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
