import { jobIdText, writeJobId } from "./job-id.ts";
import type { Row } from "./rows.ts";
import type { WriteSession } from "./write-session.ts";

export interface DeleteJobs {
  /** Deletes one job with all that belongs to it when it is terminal. */
  deleteOne(id: Uint8Array): boolean;
  deleteMany(jobIds: readonly string[]): readonly string[];
}

export function prepareDeleteJobs({ db, counters }: WriteSession): DeleteJobs {
  const deleteJob = db.prepare(
    "delete from jobs where id = ? and state >= 3 returning function_id, state, attempt, args is null",
  );
  const deleteAttempts = db.prepare("delete from attempts where job_id = ?");
  const deleteLargeArgs = db.prepare("delete from large_args where job_id = ?");
  const id = new Uint8Array(16);

  function deleteOne(job: Uint8Array): boolean {
    const row = deleteJob.values(job)[0] as Row | undefined;
    if (row === undefined) return false;
    const [functionId, state, attempt, isLarge] = row as [number, number, number, number];
    counters.add(functionId, state, -1);
    if (attempt > 0) deleteAttempts.run(job);
    if (isLarge === 1) deleteLargeArgs.run(job);
    return true;
  }

  return {
    deleteOne,
    deleteMany: (jobIds) => jobIds.flatMap((jobId) => (writeJobId(jobId, id) && deleteOne(id) ? [jobIdText(id)] : [])),
  };
}
