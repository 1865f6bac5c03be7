import type { Job } from "../../core/job.ts";
import type { JobStatus } from "../seam/jobs.ts";

/** Where a job stands, without the rest. */
export function statusOf({ jobId, state, leaseToken }: Job): JobStatus {
  return { jobId, state, leaseToken };
}
