import type { Guard } from "../../guard.ts";
import type { JobReads, JobWrites } from "../../seam/jobs.ts";
import type { Runner } from "../connection/runner.ts";
import type { FunctionNames } from "../session/function-names.ts";
import { countJobs, foldCounters } from "../session/job-counters.ts";
import type { JobReader } from "../session/job-reader.ts";
import type { WriteSession } from "../session/write-session.ts";
import { applyTransitions } from "./apply-transitions.ts";
import { claimJobs, resumeJobs } from "./claim-jobs.ts";
import { deleteJobs } from "./delete-jobs.ts";
import { listOverdueJobs, promoteDueJobs } from "./due-jobs.ts";
import { enqueueJobs, findEnqueued } from "./enqueue-jobs.ts";
import { listJobs } from "./list-jobs.ts";
import { pruneJobs, type PruneRounds } from "./prune-jobs.ts";

/** The part of one transaction. */
export function jobWrites(session: WriteSession, rounds: PruneRounds, guard: Guard): JobWrites {
  const { reader } = session;
  return {
    enqueue: guard((items) => enqueueJobs(session, items)),
    findEnqueued: guard((items) => findEnqueued(session, items)),
    claim: guard((demands) => claimJobs(session, demands)),
    resume: guard((demands) => resumeJobs(session, demands)),
    applyTransitions: guard((transitions) => applyTransitions(session, transitions)),
    getMany: guard((jobIds) => reader.getJobs(jobIds)),
    listLeased: guard((workerId) => reader.listLeasedJobs(workerId)),
    listLiveChildren: guard((parentIds) => reader.listLiveChildren(parentIds)),
    promoteDue: guard((limit) => promoteDueJobs(session, limit)),
    listOverdue: guard((limit) => listOverdueJobs(session, limit)),
    delete: guard((jobIds) => deleteJobs(session, jobIds)),
    prune: guard((prune) => pruneJobs(session, rounds, prune)),
  };
}

/** What reads need. */
export interface JobReading {
  readonly runner: Runner;
  readonly functions: FunctionNames;
  readonly reader: JobReader;
}

export function jobReads(
  { runner, functions, reader }: JobReading,
  guard: Guard,
  insertInOneStatement: NonNullable<JobReads["insertInOneStatement"]>,
): JobReads {
  return {
    get: guard((jobId) => reader.getJob(jobId)),
    getMany: guard((jobIds) => reader.getJobs(jobIds)),
    listStatuses: guard((jobIds) => reader.listStatuses(jobIds)),
    listAttempts: guard((jobId, limit) => reader.listAttempts(jobId, limit)),
    list: guard((query) => listJobs(runner, functions, reader, query)),
    count: guard(() => countJobs(runner)),
    foldCounters: guard(() => foldCounters(runner)),
    insertInOneStatement,
  };
}
