import type { Job } from "../../core/job.ts";
import type { JobStatus } from "../seam/jobs.ts";

/** The status of a job. */
export function statusOf({ jobId, state, leaseToken }: Job): JobStatus {
  return { jobId, state, leaseToken };
}
