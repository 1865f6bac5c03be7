import { OpenTransaction } from "../open-transaction.ts";
import { prepareDueJobs } from "./jobs/due-jobs.ts";
import { prepareJobWrites } from "./jobs/job-parts.ts";
import { prepareMoveLengths } from "./jobs/move-lengths.ts";
import { prepareScheduleWrites } from "./schedules/schedule-writes.ts";
import { JobReader } from "./session/job-reader.ts";
import type { WriteSession } from "./session/write-session.ts";
import { prepareWorkerWrites } from "./workers/worker-rows.ts";
import { prepareEvents, prepareEventWrites } from "./workflows/events.ts";
import { prepareFailedRecords } from "./workflows/failed-records.ts";
import { prepareWaits } from "./workflows/waits.ts";
import { prepareWorkflowWrites } from "./workflows/workflow-parts.ts";

/**
 * Prepares what a transaction can do, once for all of them. Nothing in a transaction waits: every answer is there when
 * the call returns.
 *
 * @returns what opens one, at a time
 */
export function prepareTransactions(session: WriteSession): (now: number) => OpenTransaction {
  const reader = new JobReader(session.db, session.functions);
  const waits = prepareWaits(session);
  const events = prepareEvents(session, waits);
  const failedRecords = prepareFailedRecords(session);
  const due = prepareDueJobs(session, reader, waits, events);
  const parts = {
    now: () => session.now,
    jobs: prepareJobWrites(session, { reader, due, failedRecords }),
    workflows: prepareWorkflowWrites(session, { reader, waits, failedRecords }),
    events: prepareEventWrites(events),
    schedules: prepareScheduleWrites(session),
    workers: prepareWorkerWrites(session, reader),
    nextDueAt: due.nextAt,
    moveLengths: prepareMoveLengths(session),
  };
  return (now) => {
    session.now = now;
    return new OpenTransaction(parts);
  };
}
