import type { Guard } from "../guard.ts";
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
    jobs: perTransaction(prepareJobWrites(session, { reader, due, failedRecords })),
    workflows: perTransaction(prepareWorkflowWrites(session, { reader, waits, failedRecords })),
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
 * Makes a part for each transaction at the cost of one small object: its verbs are in a prototype, made once, and look
 * at their transaction. With closures, an empty transaction took half as long again.
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
