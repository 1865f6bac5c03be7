import type { Job, Lease } from "../../core/job.ts";
import type { NewWorker } from "../../storage/seam/workers.ts";
import type { CheckpointSum } from "../../storage/seam/workflows.ts";
import type { WorkerPort } from "../dispatch/worker-port.ts";
import { WorkerSession } from "../dispatch/worker-session.ts";
import type { Engine } from "../engine.ts";
import { applyEvent, type LaneTransaction } from "../lane/lane-transaction.ts";
import { addCheckpointSum } from "./deliver-jobs.ts";

/** A worker that connects, and the leases that it claims to hold. */
export interface ConnectingWorker extends Omit<NewWorker, "nodeId"> {
  /** The client replays records in the order in which they were recorded. */
  readonly ordered: boolean;
  readonly heldLeases: readonly (Lease & {
    readonly started: boolean;
    /** Time left of an attempt that was extended by heartbeats. */
    readonly timeLeftMs?: number | undefined;
  })[];
}

export interface ConnectedWorker {
  readonly session: WorkerSession;
  /** Leases that it claimed to hold but that are no longer its own. */
  readonly lostLeases: readonly Lease[];
}

/**
 * Opens a worker's session. The worker keeps the leases that it still holds (P7). A lease that it does not know of
 * never arrived, so its job is released. An older stream of the same worker is ended.
 */
export async function connectWorker(
  engine: Engine,
  worker: ConnectingWorker,
  port: WorkerPort,
): Promise<ConnectedWorker> {
  const older = engine.dispatcher.findSession(worker.workerId);
  if (older !== null) {
    engine.dispatcher.removeSession(older);
    older.port.end();
  }
  const { kept, parked, lost } = await engine.lane.run((lane) => adoptLeases(engine, lane, worker));
  const session = new WorkerSession({
    workerId: worker.workerId,
    functionNames: worker.functionNames,
    concurrency: worker.concurrency,
    isOrdered: worker.ordered,
    port,
    clock: engine.clock,
    onDeadline: engine.onDeadline,
  });
  const started = new Set(worker.heldLeases.filter((lease) => lease.started).map((lease) => lease.jobId));
  session.add(kept, (job) => (started.has(job.jobId) ? job.startedAt : null));
  if (engine.store.isShared) for (const lease of parked) session.addParked(lease);
  restoreDeadlines(engine, session, worker);
  countCheckpoints(engine, session, kept);
  engine.dispatcher.addSession(session);
  engine.lane.wake();
  return { session, lostLeases: lost };
}

/** Restores the deadlines of attempts that were extended by heartbeats. */
function restoreDeadlines(engine: Engine, session: WorkerSession, { heldLeases }: ConnectingWorker): void {
  for (const lease of heldLeases) {
    const held = lease.timeLeftMs === undefined ? null : session.find(lease);
    if (held !== null) session.setDeadline(held, lease.timeLeftMs ?? 0, engine.clock.monotonic());
  }
}

/** Restores checkpoint counts, so that limits survive a reconnect. Until the sums arrive only new checkpoints count. */
function countCheckpoints(engine: Engine, session: WorkerSession, kept: readonly Job[]): void {
  if (kept.length === 0) return;
  const addSums = (sums: ReadonlyMap<string, CheckpointSum>): void => {
    for (const job of kept) {
      const held = session.find(job);
      const sum = sums.get(job.jobId);
      if (held !== null && sum !== undefined) addCheckpointSum(held, sum);
    }
  };
  // If the sums cannot be read, the job may only have more checkpoints than it should.
  engine.store.workflows.sumCheckpoints(kept.map((job) => job.jobId)).then(addSums, () => {});
}

/** Lets a worker serve more functions. Its record is saved before anything is claimed for them. */
export async function addFunctions(
  engine: Engine,
  session: WorkerSession,
  worker: ConnectingWorker,
  functionNames: readonly string[],
): Promise<void> {
  for (const name of functionNames) {
    session.functionNames.add(name);
    engine.dispatcher.markReady(name);
  }
  await engine.lane.run(({ tx }) =>
    tx.workers.save(
      toRecord(engine, { ...worker, functionNames: [...session.functionNames] }),
      engine.settings.leaseMs,
    ),
  );
}

interface Adoption {
  readonly kept: readonly Job[];
  /** Jobs that it parked and whose handlers it still keeps in memory. */
  readonly parked: readonly Lease[];
  readonly lost: readonly Lease[];
}

async function adoptLeases(engine: Engine, lane: LaneTransaction, worker: ConnectingWorker): Promise<Adoption> {
  if (worker.concurrency > 0 && worker.functionNames.length > 0) {
    await lane.tx.workers.save(toRecord(engine, worker), engine.settings.leaseMs);
  }
  const leased = new Map((await lane.tx.jobs.listLeased(worker.workerId)).map((job) => [job.jobId, job]));
  const kept: Job[] = [];
  const unknown: Lease[] = [];
  for (const lease of worker.heldLeases) {
    const job = leased.get(lease.jobId);
    if (job === undefined || job.leaseToken !== lease.leaseToken) {
      unknown.push(lease);
      continue;
    }
    kept.push(job);
    leased.delete(lease.jobId);
  }
  await applyEvent(lane, [...leased.values()], { kind: "release", started: false });
  return { kept, ...(await sortUnknown(lane, unknown)) };
}

/** A lease that the worker settled itself is not lost: if the answer was lost on the way, it repeats the report. */
async function sortUnknown(lane: LaneTransaction, leases: readonly Lease[]): Promise<Omit<Adoption, "kept">> {
  if (leases.length === 0) return { parked: [], lost: [] };
  const jobs = new Map((await lane.tx.jobs.getMany(leases.map((lease) => lease.jobId))).map((job) => [job.jobId, job]));
  const stateOf = ({ jobId, leaseToken }: Lease): Job["state"] | null => {
    const job = jobs.get(jobId);
    return job?.leaseToken === leaseToken ? job.state : null;
  };
  return {
    parked: leases.filter((lease) => stateOf(lease) === "SUSPENDED" || stateOf(lease) === "PENDING"),
    lost: leases.filter((lease) => stateOf(lease) === null || stateOf(lease) === "RUNNING"),
  };
}

function toRecord(engine: Engine, worker: ConnectingWorker): NewWorker {
  const { workerId, host, hostId, pid, processStart, functionNames, concurrency, client } = worker;
  const { nodeId } = engine.settings;
  return { workerId, nodeId, host, hostId, pid, processStart, functionNames, concurrency, client };
}
