import type { Job as JobMessage } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Job } from "../../core/job.ts";
import type { Engine } from "../../engine/engine.ts";
import { findTick } from "../../engine/jobs/read-jobs.ts";
import { fromJob } from "./job-messages.ts";
import { tickFields } from "./schedule-messages.ts";

/** Converts a job together with the schedule and the tick that enqueued it. */
export async function fromJobWithTick(
  engine: Engine,
  job: Job,
  rest: Parameters<typeof fromJob>[1] = {},
): Promise<JobMessage> {
  return { ...fromJob(job, rest), ...tickFields(await findTick(engine, job)) };
}
