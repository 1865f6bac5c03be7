import type { Guard } from "../../guard.ts";
import type { WorkflowReads, WorkflowWrites } from "../../seam/workflows.ts";
import type { Runner } from "../connection/runner.ts";
import type { JobReader } from "../session/job-reader.ts";
import type { WriteSession } from "../session/write-session.ts";
import {
  findOrdered,
  listCheckpoints,
  listFewCheckpoints,
  listOpenWaits,
  listRecords,
  listWaits,
  sumCheckpoints,
} from "./checkpoint-reader.ts";
import { forgetAwaited } from "./failed-records.ts";
import { findKinds, recordCheckpoints } from "./record-checkpoints.ts";
import { countSignals, sendSignals } from "./send-signals.ts";
import { forgetRecords, storeUndoJobs } from "./undo-jobs.ts";
import { endDueWaits, findParked, registerWaits } from "./waits.ts";

/** The part of one transaction. */
export function workflowWrites(session: WriteSession, guard: Guard): WorkflowWrites {
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
