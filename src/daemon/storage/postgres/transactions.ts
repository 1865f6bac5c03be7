import { OpenTransaction } from "../open-transaction.ts";
import { nextDueAt } from "./jobs/due-jobs.ts";
import { jobWrites } from "./jobs/job-parts.ts";
import type { PruneRounds } from "./jobs/prune-jobs.ts";
import { scheduleWrites } from "./schedules/schedule-writes.ts";
import type { WriteSession } from "./session/write-session.ts";
import { workerWrites } from "./workers/worker-rows.ts";
import { eventWrites } from "./workflows/events.ts";
import { workflowWrites } from "./workflows/workflow-parts.ts";

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
