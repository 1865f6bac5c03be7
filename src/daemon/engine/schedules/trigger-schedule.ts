import { SCHEDULE_HEADER } from "#proto/contract.ts";
import { DaemonError, invalidArgument, scheduleNotFound } from "../../core/errors.ts";
import type { Schedule } from "../../core/schedule.ts";
import { isUuidV7 } from "../../core/uuid.ts";
import type { NewJob } from "../../storage/seam/jobs.ts";
import type { Engine } from "../engine.ts";

/**
 * Enqueues one job now, in addition to the ticks, even while the schedule is paused. Returns its ID. Throws not_found,
 * and already_exists when the ID belongs to a job of another function.
 *
 * @param jobId a repeated call with the same ID stores nothing new; null: the daemon chooses one
 */
export async function triggerSchedule(engine: Engine, name: string, jobId: string | null): Promise<string> {
  if (jobId !== null && !isUuidV7(jobId)) {
    const description = `${JSON.stringify(jobId)} is not a lower-case version 7 UUID; leave it empty to have one generated`;
    throw invalidArgument([{ field: "job_id", description }]);
  }
  return engine.lane.run(async (lane) => {
    const schedule = await lane.tx.schedules.get(name);
    if (schedule === null) throw scheduleNotFound(name);
    const job = triggeredJob(schedule, jobId ?? engine.newJobId());
    const [outcome] = await lane.enqueue([job]);
    if (outcome?.kind === "id_taken") throw idTaken(job.jobId, outcome.functionName);
    if (outcome?.kind === "stored") {
      await lane.tx.schedules.recordTicks([{ scheduleId: schedule.scheduleId, tickAt: null, jobId: job.jobId }]);
    }
    return job.jobId;
  });
}

function triggeredJob({ name, spec }: Schedule, jobId: string): NewJob {
  const headers = { ...spec.options.headers, [SCHEDULE_HEADER]: name };
  return {
    jobId,
    functionName: spec.functionName,
    args: spec.args,
    options: { ...spec.options, headers },
    parentId: null,
  };
}

function idTaken(jobId: string, functionName: string): DaemonError {
  return new DaemonError(
    "already_exists",
    `the job id ${jobId} belongs to a job of ${functionName}; choose a new one for each call`,
    { metadata: { jobId, functionName } },
  );
}
