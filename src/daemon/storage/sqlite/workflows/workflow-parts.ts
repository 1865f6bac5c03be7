import type { Database } from "bun:sqlite";
import type { Guard } from "../../guard.ts";
import type { NewPark, WorkflowReads, WorkflowWrites } from "../../seam/workflows.ts";
import type { JobReader } from "../session/job-reader.ts";
import type { WriteSession } from "../session/write-session.ts";
import { prepareCheckpointReader } from "./checkpoint-reader.ts";
import type { FailedRecords } from "./failed-records.ts";
import { prepareRecordCheckpoints } from "./record-checkpoints.ts";
import { prepareSendSignals, prepareSignalReader } from "./send-signals.ts";
import { prepareUndoJobs } from "./undo-jobs.ts";
import type { Waits } from "./waits.ts";

const NOBODY: readonly never[] = [];

export interface PreparedWorkflows {
  /** Reads on the writer's connection. */
  readonly reader: JobReader;
  readonly waits: Waits;
  readonly failedRecords: FailedRecords;
}

/** @returns what makes the part of one transaction */
export function prepareWorkflowWrites(
  session: WriteSession,
  prepared: PreparedWorkflows,
): (guard: Guard) => WorkflowWrites {
  const { reader, waits, failedRecords } = prepared;
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
