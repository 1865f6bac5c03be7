import type { Database } from "bun:sqlite";
import type { Guard } from "../guard.ts";
import { OpenTransaction } from "../open-transaction.ts";
import { statusOf } from "../rows/job-status.ts";
import type { JobReads, JobWrites } from "../seam/jobs.ts";
import type { NewPark, WorkflowReads, WorkflowWrites } from "../seam/workflows.ts";
import { prepareApplyTransitions } from "./jobs/apply-transitions.ts";
import { prepareClaimJobs } from "./jobs/claim-jobs.ts";
import { prepareDeleteJobs } from "./jobs/delete-jobs.ts";
import { type DueJobs, prepareDueJobs } from "./jobs/due-jobs.ts";
import { prepareEnqueueJobs } from "./jobs/enqueue-jobs.ts";
import { prepareListJobs } from "./jobs/list-jobs.ts";
import { prepareMoveLengths } from "./jobs/move-lengths.ts";
import { preparePruneJobs } from "./jobs/prune-jobs.ts";
import type { ScheduleReader } from "./schedules/schedule-reader.ts";
import { prepareScheduleWrites } from "./schedules/schedule-writes.ts";
import { JobReader } from "./session/job-reader.ts";
import type { WriteSession } from "./session/write-session.ts";
import { prepareWorkerWrites } from "./workers/worker-rows.ts";
import { prepareCheckpointReader } from "./workflows/checkpoint-reader.ts";
import { prepareEvents, prepareEventWrites } from "./workflows/events.ts";
import { type FailedRecords, prepareFailedRecords } from "./workflows/failed-records.ts";
import { prepareRecordCheckpoints } from "./workflows/record-checkpoints.ts";
import { prepareSendSignals, prepareSignalReader } from "./workflows/send-signals.ts";
import { prepareUndoJobs } from "./workflows/undo-jobs.ts";
import { prepareWaits, type Waits } from "./workflows/waits.ts";

/**
 * Prepares the operations of transactions, once for all of them. Nothing in a transaction waits: every call returns its
 * answer immediately.
 *
 * @returns a function that opens a transaction at the given time
 */
export function prepareTransactions(session: WriteSession): (now: number) => OpenTransaction {
  const reader = new JobReader(session.db, session.functions);
  const waits = prepareWaits(session);
  const events = prepareEvents(session, waits);
  const failedRecords = prepareFailedRecords(session);
  const due = prepareDueJobs(session, reader, waits, events);
  const shared: Shared = { reader, waits, due, failedRecords };
  const parts = {
    now: () => session.now,
    jobs: perTransaction(prepareJobWrites(session, shared)),
    workflows: perTransaction(prepareWorkflowWrites(session, shared)),
    events: perTransaction(prepareEventWrites(events)),
    schedules: perTransaction(prepareScheduleWrites(session)),
    workers: perTransaction(prepareWorkerWrites(session, reader)),
    nextDueAt: due.nextAt,
    moveLengths: prepareMoveLengths(session),
  };
  return (now) => {
    session.now = now;
    return new OpenTransaction(parts);
  };
}

type Verb = (...args: readonly unknown[]) => unknown;

/**
 * Creates a part for each transaction at the cost of one small object: its verbs are on a shared prototype and refer to
 * their transaction. With closures, an empty transaction took 50 % longer.
 */
function perTransaction<Part extends object>(prepare: (guard: Guard) => Part): (tx: OpenTransaction) => Part {
  class TransactionPart {
    readonly tx: OpenTransaction;
    constructor(tx: OpenTransaction) {
      this.tx = tx;
    }
  }
  const unguarded = ((verb: Verb) => verb) as unknown as Guard;
  for (const [name, verb] of Object.entries(prepare(unguarded)) as [string, Verb][]) {
    Object.defineProperty(TransactionPart.prototype, name, {
      async value(this: TransactionPart, ...args: readonly unknown[]) {
        this.tx.refuseEnded();
        return verb(...args);
      },
    });
  }
  // The prototype has what the part declares.
  return (tx) => new TransactionPart(tx) as unknown as Part;
}

/** What several parts of a transaction use. */
interface Shared {
  /** Reads on the writer's connection. */
  readonly reader: JobReader;
  readonly waits: Waits;
  readonly due: DueJobs;
  readonly failedRecords: FailedRecords;
}

/** @returns what makes the part of one transaction */
function prepareJobWrites(session: WriteSession, shared: Shared): (guard: Guard) => JobWrites {
  const { reader, due, failedRecords } = shared;
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

const NOBODY: readonly never[] = [];

/** @returns what makes the part of one transaction */
function prepareWorkflowWrites(session: WriteSession, shared: Shared): (guard: Guard) => WorkflowWrites {
  const { reader, waits, failedRecords } = shared;
  const checkpoints = prepareRecordCheckpoints(session);
  const sendSignals = prepareSendSignals(session, waits);
  const undo = prepareUndoJobs(session);
  // Made here and not for each transaction.
  const park = (parks: readonly NewPark[]) => waits.register(parks, session.now);
  const endDueWaits = (limit: number) => waits.endDue(limit, session.now);
  const takeAwaiters = () => {
    const ended = session.awaited.takeEnded();
    return ended.length === 0 ? NOBODY : waits.endForJobs(ended, session.now);
  };
  const listUndoJobs = (jobIds: readonly string[]) => reader.listUndoJobs(jobIds);
  return (guard) => ({
    record: guard(checkpoints.record),
    findKinds: guard(checkpoints.findKinds),
    park: guard(park),
    endDueWaits: guard(endDueWaits),
    takeAwaiters: guard(takeAwaiters),
    forgetAwaited: guard(failedRecords.forgetAwaited),
    sendSignals: guard(sendSignals),
    storeUndoJobs: guard(undo.store),
    listUndoJobs: guard(listUndoJobs),
    forgetRecords: guard(undo.forgetRecords),
  });
}

/** @param db the connection that reads */
export function prepareWorkflowReads(db: Database, reader: JobReader, guard: Guard): WorkflowReads {
  const checkpoints = prepareCheckpointReader(db);
  return {
    listCheckpoints: guard(checkpoints.page),
    listFewCheckpoints: guard(checkpoints.few),
    listRecords: guard(checkpoints.records),
    listWaits: guard(checkpoints.waits),
    listOpenWaits: guard(checkpoints.openWaits),
    sumCheckpoints: guard(checkpoints.sums),
    findOrdered: guard(checkpoints.ordered),
    countSignals: guard(prepareSignalReader(db)),
    listUndoJobs: guard((jobIds) => reader.listUndoJobs(jobIds)),
  };
}
