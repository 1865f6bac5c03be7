import type { Checkpoint } from "../core/checkpoint.ts";
import { decide } from "../core/job-machine.ts";
import type { Job } from "../core/job.ts";
import type { CheckpointSum } from "../storage/checkpoint-store.ts";
import type { Engine } from "./engine.ts";
import type { HeldLease, WorkerSession } from "./worker-session.ts";

/** A leased job on its way to its worker. */
export interface Delivery {
  readonly job: Job;
  /** The handler that the worker parked goes on. */
  readonly resumed: boolean;
  /** Checkpoints that were sent before it. */
  readonly checkpointCount: number;
}

/** Bytes of values read at once: a frame's worth. */
const PAGE_BYTES = 1024 * 1024;

/**
 * Sends leased jobs to their worker, each behind what it recorded: everything for a job that is replayed, what ended
 * since it was parked for one that goes on. A job in its first lease has recorded nothing and goes at once. One whose
 * checkpoints cannot be read goes back.
 */
export function deliverJobs(engine: Engine, session: WorkerSession, jobs: readonly Job[], resumed: boolean): void {
  const fresh = jobs.filter((job) => job.leaseToken === 1);
  const others = fresh.length === jobs.length ? [] : jobs.filter((job) => job.leaseToken !== 1);
  if (fresh.length > 0) session.port.assign(fresh.map((job) => ({ job, resumed: false, checkpointCount: 0 })));
  if (others.length === 0) return;
  for (const job of others) {
    const held = session.find(job);
    if (held !== null) held.isOnItsWay = true;
  }
  deliverWithCheckpoints(engine, session, others, resumed).catch(() => giveBack(engine, session, others));
}

async function deliverWithCheckpoints(
  engine: Engine,
  session: WorkerSession,
  jobs: readonly Job[],
  resumed: boolean,
): Promise<void> {
  const sums = await engine.store.sumCheckpoints(jobs.map((job) => job.jobId));
  for (const job of jobs) {
    const sum = sums.get(job.jobId);
    const count = sum === undefined ? 0 : await sendCheckpoints(engine, session, job, sum, resumed);
    const held = session.find(job);
    // Taken back meanwhile.
    if (held === null || !held.isOnItsWay) continue;
    held.isOnItsWay = false;
    session.port.assign([{ job, resumed, checkpointCount: count }]);
  }
}

async function sendCheckpoints(
  engine: Engine,
  session: WorkerSession,
  job: Job,
  sum: CheckpointSum,
  resumed: boolean,
): Promise<number> {
  const held = session.find(job);
  if (held === null) return 0;
  noteSum(held, sum);
  const sinceToken = resumed ? job.leaseToken - 1 : null;
  let count = 0;
  let afterName: string | null = null;
  do {
    const page: { readonly checkpoints: readonly Checkpoint[]; readonly next: string | null } =
      await engine.store.listCheckpoints({ jobId: job.jobId, sinceToken, afterName, maxBytes: PAGE_BYTES });
    count += page.checkpoints.length;
    if (page.checkpoints.length > 0) await session.port.replay(job, page.checkpoints);
    afterName = page.next;
  } while (afterName !== null && session.find(job) === held);
  return count;
}

/** Counts what was recorded before, besides what this session has seen. */
export function noteSum(held: HeldLease, sum: CheckpointSum): void {
  held.checkpointCount += sum.count;
  held.checkpointBytes += sum.bytes;
}

/** They never reached their worker. */
function giveBack(engine: Engine, session: WorkerSession, jobs: readonly Job[]): void {
  const unsent = jobs.map((job) => session.find(job)).filter((held) => held?.isOnItsWay === true) as HeldLease[];
  const transitions = unsent
    .map((held) => decide(held.job, { kind: "release", started: false }, engine.settings, 0))
    .filter((transition) => transition !== null);
  for (const held of unsent) session.remove(held);
  // A store that fails leaves them to the check of leases, or to the worker's next hello.
  engine.lane.settle(transitions, { done: () => {}, failed: () => {} });
}
