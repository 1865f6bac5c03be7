import type { Guard } from "../guard.ts";
import { OpenTransaction } from "../open-transaction.ts";
import type { JobReads, JobWrites } from "../seam/jobs.ts";
import type { WorkflowReads, WorkflowWrites } from "../seam/workflows.ts";
import type { Runner } from "./connection/runner.ts";
import { applyTransitions } from "./jobs/apply-transitions.ts";
import { claimJobs, resumeJobs } from "./jobs/claim-jobs.ts";
import { deleteJobs } from "./jobs/delete-jobs.ts";
import { listOverdueJobs, nextDueAt, promoteDueJobs } from "./jobs/due-jobs.ts";
import { enqueueJobs, findEnqueued } from "./jobs/enqueue-jobs.ts";
import { listJobs } from "./jobs/list-jobs.ts";
import { pruneJobs, type PruneRounds } from "./jobs/prune-jobs.ts";
import { scheduleWrites } from "./schedules/schedule-writes.ts";
import { countJobs, foldCounters, type FunctionNames } from "./session/functions.ts";
import type { JobReader } from "./session/job-reader.ts";
import type { WriteSession } from "./session/write-session.ts";
import { workerWrites } from "./workers/worker-rows.ts";
import {
  findOrdered,
  listCheckpoints,
  listFewCheckpoints,
  listOpenWaits,
  listRecords,
  listWaits,
  sumCheckpoints,
} from "./workflows/checkpoint-reader.ts";
import { eventWrites } from "./workflows/events.ts";
import { forgetAwaited } from "./workflows/failed-records.ts";
import { findKinds, recordCheckpoints } from "./workflows/record-checkpoints.ts";
import { countSignals, sendSignals } from "./workflows/send-signals.ts";
import { forgetRecords, storeUndoJobs } from "./workflows/undo-jobs.ts";
import { endDueWaits, findParked, registerWaits } from "./workflows/waits.ts";

/** One transaction: every verb is a statement or two of its connection. */
export function openTransaction(session: WriteSession, rounds: PruneRounds): OpenTransaction {
  return new OpenTransaction({
    now: () => session.knownNow,
    jobs: ({ guard }) => jobWrites(session, rounds, guard),
    workflows: ({ guard }) => workflowWrites(session, guard),
    events: ({ guard }) => eventWrites(session, guard),
    schedules: ({ guard }) => scheduleWrites(session, guard),
    workers: ({ guard }) => workerWrites(session, guard),
    nextDueAt: () => nextDueAt(session.runner),
    // The clock is the database's, and no daemon can notice when it is set.
    moveLengths: () => {},
  });
}

/** The part of one transaction. */
function jobWrites(session: WriteSession, rounds: PruneRounds, guard: Guard): JobWrites {
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

/** The part of one transaction. */
function workflowWrites(session: WriteSession, guard: Guard): WorkflowWrites {
  return {
    record: guard((items) => recordCheckpoints(session, items)),
    findKinds: guard((items) => findKinds(session, items)),
    park: guard((parks) => registerWaits(session, parks)),
    endDueWaits: guard((limit) => endDueWaits(session, limit)),
    takeAwaiters: guard(() => findParked(session, session.takeAwaiters())),
    forgetAwaited: guard((awaited) => forgetAwaited(session, awaited)),
    sendSignals: guard((items) => sendSignals(session, items)),
    storeUndoJobs: guard((items) => storeUndoJobs(session, items)),
    listUndoJobs: guard((jobIds) => session.reader.listUndoJobs(jobIds)),
    forgetRecords: guard((jobIds) => forgetRecords(session, jobIds)),
  };
}

export function workflowReads(reads: Runner, reader: JobReader, guard: Guard): WorkflowReads {
  return {
    listCheckpoints: guard((query) => listCheckpoints(reads, query)),
    listFewCheckpoints: guard((queries) => listFewCheckpoints(reads, queries)),
    listRecords: guard((jobId, limit) => listRecords(reads, jobId, limit)),
    listWaits: guard((jobId) => listWaits(reads, jobId)),
    listOpenWaits: guard((jobIds) => listOpenWaits(reads, jobIds)),
    sumCheckpoints: guard((jobIds) => sumCheckpoints(reads, jobIds)),
    findOrdered: guard((jobIds) => findOrdered(reads, jobIds)),
    countSignals: guard((jobId) => countSignals(reads, jobId)),
    listUndoJobs: guard((jobIds) => reader.listUndoJobs(jobIds)),
  };
}
