import type { OpenWait } from "../../core/checkpoint.ts";
import { decide } from "../../core/job-machine.ts";
import type { Job, Lease } from "../../core/job.ts";
import type { CheckpointPage, CheckpointQuery, CheckpointSum } from "../../storage/seam/workflows.ts";
import type { Delivery, WaitLeft } from "../dispatch/worker-port.ts";
import type { HeldLease, WorkerSession } from "../dispatch/worker-session.ts";
import type { Engine } from "../engine.ts";
import { settleInBackground } from "../jobs/settle-attempts.ts";

/** Bytes of values per read: as much as a frame holds. */
const PAGE_BYTES = 1024 * 1024;
/** Jobs with at most this many bytes of checkpoints are read together. */
const FEW_BYTES = 16 * 1024;
const FEW = 256;
/** Delay before a job that could not be delivered is claimed again. */
const RETRY_MS = 1_000;

/**
 * Sends leased jobs to their worker, each after its checkpoints: all of them for a job that is replayed, those recorded
 * since it was parked for one that is resumed. A job under its first lease has none and is sent at once. A job whose
 * checkpoints cannot be read is released for a second.
 */
export function deliverJobs(engine: Engine, session: WorkerSession, jobs: readonly Job[], resumed: boolean): void {
  const fresh = jobs.filter((job) => job.leaseToken === 1);
  const others = fresh.length === jobs.length ? [] : jobs.filter((job) => job.leaseToken !== 1);
  if (fresh.length > 0) session.port.assign(fresh.map((job) => delivery(engine, job, false, 0)));
  if (others.length === 0) return;
  for (const job of others) {
    const held = session.find(job);
    if (held !== null) held.isInTransit = true;
  }
  deliverWithCheckpoints(engine, session, others, resumed).catch((error: unknown) => {
    engine.onUndelivered(error);
    releaseUnsent(engine, session, others);
  });
}

async function deliverWithCheckpoints(
  engine: Engine,
  session: WorkerSession,
  claimed: readonly Job[],
  resumed: boolean,
): Promise<void> {
  const jobs = session.isOrdered ? claimed : await withoutOrdered(engine, session, claimed);
  if (jobs.length === 0) return;
  const sums = await engine.store.workflows.sumCheckpoints(jobs.map((job) => job.jobId));
  for (const job of jobs) {
    const held = session.find(job);
    const sum = sums.get(job.jobId);
    if (held !== null && sum !== undefined) addCheckpointSum(held, sum);
  }
  const open = resumed ? NO_OPEN_WAITS : await openWaitsOf(engine, jobs, sums);
  const isSmallDelivery = ({ jobId }: Job): boolean => isSmall(sums.get(jobId));
  await sendTogether(engine, session, jobs.filter(isSmallDelivery), resumed, open);
  for (const job of jobs) if (!isSmallDelivery(job)) await sendInParts(engine, session, job, resumed, open);
}

type OpenWaits = ReadonlyMap<string, readonly WaitLeft[]>;

const NO_OPEN_WAITS: OpenWaits = new Map();

async function openWaitsOf(
  { store }: Engine,
  jobs: readonly Job[],
  sums: ReadonlyMap<string, CheckpointSum>,
): Promise<OpenWaits> {
  const waiting = jobs.map(({ jobId }) => jobId).filter((jobId) => (sums.get(jobId)?.open ?? 0) > 0);
  if (waiting.length === 0) return NO_OPEN_WAITS;
  const open = await store.workflows.listOpenWaits(waiting);
  const now = store.now();
  const withLeft = ({ dueAt, ...wait }: OpenWait): WaitLeft => {
    return { ...wait, leftMs: dueAt === null ? null : Math.max(0, Math.ceil(dueAt - now)) };
  };
  return new Map([...open].map(([jobId, waits]) => [jobId, waits.map(withLeft)]));
}

/** Whether the checkpoints are few enough to be read together with those of other jobs. */
export function isSmall({ count, bytes }: CheckpointSum = NONE): boolean {
  return count <= FEW && bytes <= FEW_BYTES;
}

/** Releases jobs with ordered records, which this worker's client would replay in the wrong order. */
async function withoutOrdered(engine: Engine, session: WorkerSession, jobs: readonly Job[]): Promise<readonly Job[]> {
  const ordered = await engine.store.workflows.findOrdered(jobs.map((job) => job.jobId));
  const unfit = jobs.filter((job) => ordered.has(job.jobId));
  const [first] = unfit;
  if (first === undefined) return jobs;
  releaseUnsent(engine, session, unfit);
  if (!session.isUnorderedReported) engine.onUnordered(session, first);
  session.isUnorderedReported = true;
  return jobs.filter((job) => !ordered.has(job.jobId));
}

/** Sends most jobs: one read and one frame for all of them. */
async function sendTogether(
  engine: Engine,
  session: WorkerSession,
  jobs: readonly Job[],
  resumed: boolean,
  open: OpenWaits,
): Promise<void> {
  const recorded = await engine.store.workflows.listFewCheckpoints(
    jobs.map((job) => ({ jobId: job.jobId, sinceToken: sinceTokenOf(job, resumed) })),
  );
  const deliveries: Delivery[] = [];
  for (const job of jobs) {
    if (!stillInTransit(session, job)) continue;
    const checkpoints = recorded.get(job.jobId) ?? [];
    // Not awaited: only large jobs wait for room in the stream.
    if (checkpoints.length > 0) void session.port.replay(job, checkpoints);
    deliveries.push(delivery(engine, job, resumed, checkpoints.length, open.get(job.jobId)));
  }
  if (deliveries.length > 0) session.port.assign(deliveries);
}

async function sendInParts(
  engine: Engine,
  session: WorkerSession,
  job: Job,
  resumed: boolean,
  open: OpenWaits,
): Promise<void> {
  const { jobId } = job;
  const count = await sendPages(engine, session, job, { jobId, sinceToken: sinceTokenOf(job, resumed) });
  if (stillInTransit(session, job)) session.port.assign([delivery(engine, job, resumed, count, open.get(jobId))]);
}

/**
 * Sends checkpoints page by page while the worker holds the lease. Returns how many were sent.
 *
 * @param ofUndone the checkpoints belong to the job that the leased one undoes
 */
export async function sendPages(
  engine: Engine,
  session: WorkerSession,
  lease: Lease,
  source: Pick<CheckpointQuery, "jobId" | "sinceToken">,
  ofUndone = false,
): Promise<number> {
  let count = 0;
  let afterName: string | null = null;
  do {
    const page: CheckpointPage = await engine.store.workflows.listCheckpoints({
      ...source,
      afterName,
      maxBytes: PAGE_BYTES,
    });
    count += page.checkpoints.length;
    if (page.checkpoints.length > 0) await session.port.replay(lease, page.checkpoints, ofUndone);
    afterName = page.next;
  } while (afterName !== null && session.find(lease) !== null);
  return count;
}

export function delivery(
  { store }: Engine,
  job: Job,
  resumed: boolean,
  checkpointCount: number,
  openWaits: readonly WaitLeft[] = NO_WAITS,
): Delivery {
  return { job, resumed, checkpointCount, unordered: job.createdAt < store.orderedSince, openWaits, now: store.now() };
}

const NO_WAITS: readonly WaitLeft[] = [];

/** A resumed handler lacks what was recorded under the lease that it parked, or later. */
function sinceTokenOf(job: Job, resumed: boolean): number | null {
  return resumed ? job.leaseToken - 1 : null;
}

/** Ends the transit of a job. False when the lease was revoked meanwhile: then nothing must be sent. */
export function stillInTransit(session: WorkerSession, job: Job): boolean {
  const held = session.find(job);
  if (held?.isInTransit !== true) return false;
  held.isInTransit = false;
  return true;
}

/** Adds earlier checkpoints to those that this session has counted. */
export function addCheckpointSum(held: HeldLease, sum: CheckpointSum): void {
  held.checkpointCount += sum.count;
  held.awaitedCount += sum.awaited;
  held.checkpointBytes += sum.bytes;
}

const NONE: CheckpointSum = { count: 0, open: 0, awaited: 0, bytes: 0 };

/** Releases jobs that have not been sent; they are claimed again after a moment. */
export function releaseUnsent(engine: Engine, session: WorkerSession, jobs: readonly Job[]): void {
  const unsent = jobs.map((job) => session.find(job)).filter((held) => held?.isInTransit === true) as HeldLease[];
  for (const held of unsent) session.remove(held);
  settleInBackground(
    engine,
    unsent.map((held) => decide(held.job, { kind: "release", started: false, delayMs: RETRY_MS })),
  );
}

/**
 * Releases jobs whose worker left before the commit that claimed them; else they would wait for the worker's lease to
 * end.
 */
export function releaseUndeliverable(engine: Engine, jobs: readonly Job[]): void {
  settleInBackground(
    engine,
    jobs.map((job) => decide(job, { kind: "release", started: false })),
  );
}
