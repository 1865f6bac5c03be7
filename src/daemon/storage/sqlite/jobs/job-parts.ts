import type { Database } from "bun:sqlite";
import type { Guard } from "../../guard.ts";
import { statusOf } from "../../rows/job-status.ts";
import type { JobReads, JobWrites } from "../../seam/jobs.ts";
import type { ScheduleReader } from "../schedules/schedule-reader.ts";
import type { JobReader } from "../session/job-reader.ts";
import type { WriteSession } from "../session/write-session.ts";
import type { FailedRecords } from "../workflows/failed-records.ts";
import { prepareApplyTransitions } from "./apply-transitions.ts";
import { prepareClaimJobs } from "./claim-jobs.ts";
import { prepareDeleteJobs } from "./delete-jobs.ts";
import type { DueJobs } from "./due-jobs.ts";
import { prepareEnqueueJobs } from "./enqueue-jobs.ts";
import { prepareListJobs } from "./list-jobs.ts";
import { preparePruneJobs } from "./prune-jobs.ts";

export interface PreparedJobs {
  /** Reads on the writer's connection. */
  readonly reader: JobReader;
  readonly due: DueJobs;
  readonly failedRecords: FailedRecords;
}

/** @returns what makes the part of one transaction */
export function prepareJobWrites(session: WriteSession, prepared: PreparedJobs): (guard: Guard) => JobWrites {
  const { reader, due, failedRecords } = prepared;
  const enqueue = prepareEnqueueJobs(session);
  const claims = prepareClaimJobs(session, reader);
  const applyTransitions = prepareApplyTransitions(session, failedRecords);
  const deletion = prepareDeleteJobs(session);
  const prune = preparePruneJobs(session, deletion);
  // Made here and not for each transaction.
  const getMany = (jobIds: readonly string[]) => reader.getSnapshots(jobIds);
  const listLiveChildren = (parentIds: readonly string[]) => reader.listLiveChildren(parentIds);
  const listLeased = (workerId: string) =>
    getMany(session.running.ofWorker(workerId)).filter((job) => job.state === "RUNNING" && job.workerId === workerId);
  return (guard) => ({
    enqueue: guard(enqueue.store),
    findEnqueued: guard(enqueue.find),
    claim: guard(claims.claim),
    resume: guard(claims.resume),
    applyTransitions: guard(applyTransitions),
    getMany: guard(getMany),
    listLeased: guard(listLeased),
    listLiveChildren: guard(listLiveChildren),
    promoteDue: guard(due.promote),
    listOverdue: guard(due.listOverdue),
    delete: guard(deletion.deleteMany),
    prune: guard(prune),
  });
}

/** @param db the connection that reads */
export function prepareJobReads(
  db: Database,
  session: WriteSession,
  reader: JobReader,
  schedules: ScheduleReader,
  guard: Guard,
): JobReads {
  return {
    get: guard((jobId) => reader.getJob(jobId)),
    getMany: guard((jobIds) => reader.getJobs(jobIds)),
    listStatuses: guard((jobIds) => reader.getSnapshots(jobIds).map(statusOf)),
    listAttempts: guard((jobId, limit) => reader.listAttempts(jobId, limit)),
    list: guard(prepareListJobs(db, session, schedules)),
    count: guard(() => session.counters.list(session.functions)),
    // The one writer keeps them short itself.
    foldCounters: guard(() => 0),
  };
}
