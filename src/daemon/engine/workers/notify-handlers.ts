import { isTerminal, type Job } from "../../core/job.ts";
import type { JobStatus } from "../../storage/seam/jobs.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import { revocationReason, revoke } from "../dispatch/revoke-lease.ts";
import type { WorkerSession } from "../dispatch/worker-session.ts";

/** What is read of a job that another daemon may have changed. */
type MovedJob = Pick<Job, "jobId" | "state" | "leaseToken" | "workerId" | "error">;

/** Whether a worker of this daemon has the job's handler in memory: running, waiting for a slot, or parked. */
export function hasHandler({ sessions }: Dispatcher, jobId: string): boolean {
  for (const session of sessions) if (session.holds(jobId) || session.parkedToken(jobId) !== undefined) return true;
  return false;
}

/** Jobs that workers of this daemon parked and keep in memory. */
export function listParkedJobIds({ sessions }: Dispatcher): readonly string[] {
  return [...sessions].flatMap((session) => [...session.parkedJobIds]);
}

/** Whether the job was leased again since a worker of this daemon parked it. */
export function wasTakenOver({ sessions }: Dispatcher, { jobId, leaseToken }: JobStatus): boolean {
  for (const session of sessions) if ((session.parkedToken(jobId) ?? leaseToken) < leaseToken) return true;
  return false;
}

/**
 * Notifies this daemon's workers whose jobs another daemon took from them. A job that was read before the
 * lease was granted, as its lower token shows, says nothing about that lease.
 */
export function notifyHandlers({ sessions }: Dispatcher, job: MovedJob): void {
  for (const session of sessions) {
    endParked(session, job);
    const held = session.holding(job.jobId);
    if (held === null || job.leaseToken < held.leaseToken) continue;
    if (job.state === "RUNNING" && job.leaseToken === held.leaseToken) continue;
    revoke(session, held, revocationReason(job.error));
  }
}

/** Ends a parked handler when its job has ended or went to another worker. If it resumes, its assignment says so. */
function endParked(session: WorkerSession, { jobId, state, leaseToken, workerId, error }: MovedJob): void {
  const token = session.parkedToken(jobId);
  if (token === undefined || leaseToken <= token) return;
  if (!isTerminal(state) && workerId === session.workerId) return;
  session.removeParked(jobId);
  session.port.revoke({ jobId, leaseToken: token }, revocationReason(error));
}
