import { decide } from "../../core/job-machine.ts";
import type { Job } from "../../core/job.ts";
import type { CheckpointSum } from "../../storage/seam/workflows.ts";
import type { WorkerSession } from "../dispatch/worker-session.ts";
import type { Engine } from "../engine.ts";
import { settleInBackground } from "../jobs/settle-attempts.ts";
import { addCheckpointSum, delivery, isSmall, releaseUnsent, sendPages, stillInTransit } from "./deliver-jobs.ts";

/** An undo job, and the job whose steps it undoes. */
interface Undoing {
  readonly job: Job;
  readonly undoOf: string;
}

/**
 * Sends leased undo jobs to their worker, each after the checkpoints of the job that it undoes, and then its own. A
 * worker without ordered replay cannot run them: they are released for a second.
 */
export function deliverUndoJobs(engine: Engine, session: WorkerSession, jobs: readonly Job[]): void {
  for (const job of jobs) {
    const held = session.find(job);
    if (held !== null) held.isInTransit = true;
  }
  if (!session.isOrdered) {
    releaseUnsent(engine, session, jobs);
    return;
  }
  const undoing = jobs.flatMap((job) => (job.undoOf === null ? [] : [{ job, undoOf: job.undoOf }]));
  deliver(engine, session, undoing).catch((error: unknown) => {
    engine.onUndelivered(error);
    releaseUnsent(engine, session, jobs);
  });
}

async function deliver(engine: Engine, session: WorkerSession, undoing: readonly Undoing[]): Promise<void> {
  const { store } = engine;
  const there = new Set((await store.jobs.listStatuses(undoing.map(({ undoOf }) => undoOf))).map(({ jobId }) => jobId));
  const sums = await store.workflows.sumCheckpoints(undoing.flatMap(({ job, undoOf }) => [undoOf, job.jobId]));
  const small: Undoing[] = [];
  const large: Undoing[] = [];
  for (const one of undoing) {
    if (!there.has(one.undoOf)) endWithoutJob(engine, session, one);
    else (isSmallDelivery(session, one, sums) ? small : large).push(one);
  }
  await sendTogether(engine, session, small);
  for (const one of large) await sendInParts(engine, session, one);
}

/** Also counts its own checkpoints, which alone count towards its limits. */
function isSmallDelivery(
  session: WorkerSession,
  { job, undoOf }: Undoing,
  sums: ReadonlyMap<string, CheckpointSum>,
): boolean {
  const held = session.find(job);
  const own = sums.get(job.jobId);
  if (held !== null && own !== undefined) addCheckpointSum(held, own);
  return isSmall(own) && isSmall(sums.get(undoOf));
}

/** Reads the checkpoints of all of them at once. */
async function sendTogether(engine: Engine, session: WorkerSession, undoing: readonly Undoing[]): Promise<void> {
  if (undoing.length === 0) return;
  const jobIds = undoing.flatMap(({ job, undoOf }) => [undoOf, job.jobId]);
  const recorded = await engine.store.workflows.listFewCheckpoints(
    jobIds.map((jobId) => ({ jobId, sinceToken: null })),
  );
  for (const { job, undoOf } of undoing) {
    if (!stillInTransit(session, job)) continue;
    const undone = recorded.get(undoOf) ?? [];
    const own = recorded.get(job.jobId) ?? [];
    // Not awaited: only large jobs wait for room in the stream.
    if (undone.length > 0) void session.port.replay(job, undone, true);
    if (own.length > 0) void session.port.replay(job, own);
    session.port.assign([delivery(engine, job, false, undone.length + own.length)]);
  }
}

async function sendInParts(engine: Engine, session: WorkerSession, { job, undoOf }: Undoing): Promise<void> {
  const undone = await sendPages(engine, session, job, { jobId: undoOf, sinceToken: null }, true);
  const own = await sendPages(engine, session, job, { jobId: job.jobId, sinceToken: null });
  if (stillInTransit(session, job)) session.port.assign([delivery(engine, job, false, undone + own)]);
}

/** Without the records of the undone job nothing can be undone: ends the undo job with an error that says so. */
function endWithoutJob(engine: Engine, session: WorkerSession, { job, undoOf }: Undoing): void {
  const held = session.find(job);
  if (held?.isInTransit !== true) return;
  session.remove(held);
  const message = `job ${undoOf} no longer exists, and without its checkpoints its steps cannot be undone`;
  const error = { name: "JobNotFoundError", message };
  const event = { kind: "fail", error, terminal: true, retryAfterMs: null } as const;
  settleInBackground(engine, [decide(held.job, event, engine.settings, 0)]);
}
