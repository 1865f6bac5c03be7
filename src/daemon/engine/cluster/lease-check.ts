import type { Lease } from "../../core/job.ts";
import type { Transaction } from "../../storage/seam/store.ts";
import type { WorkerLease } from "../../storage/seam/workers.ts";
import type { WorkerSession } from "../dispatch/worker-session.ts";
import type { Engine } from "../engine.ts";
import { applyEvent } from "../lane/lane-transaction.ts";
import { notifyOfMovedJobs } from "./follow-other-daemons.ts";

interface Snapshot {
  readonly moved: readonly WorkerSession[];
  /** Leases that the sessions held when the store was read. */
  readonly held: readonly Lease[];
  readonly stored: readonly WorkerLease[];
}

/**
 * Compares the sessions of this daemon with the store, which other daemons change too: ends streams of workers that
 * another daemon has taken over or declared lost, notifies workers of leases that were revoked, and releases leases
 * that never reached their worker.
 */
export class LeaseCheck {
  readonly #engine: Engine;
  /** Stored leases that no session knew of at the previous check. */
  #unknown = new Map<string, number>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async run(): Promise<void> {
    const { dispatcher, lane } = this.#engine;
    // Chosen before the lane runs the read, by which time their records are saved.
    const workers = [...dispatcher.sessions].filter((session) => session.isWorker);
    if (workers.length === 0) return;
    const seen = await lane.run(({ tx }) => this.#read(tx, workers));
    for (const session of seen.moved) this.#endSession(session);
    const stored = new Map(seen.stored.map((lease) => [lease.jobId, lease.leaseToken]));
    const lost = seen.held.filter(({ jobId, leaseToken }) => stored.get(jobId) !== leaseToken);
    await notifyOfMovedJobs(
      this.#engine,
      lost.map(({ jobId }) => jobId),
    );
    await this.#releaseUnknown(seen.stored);
  }

  async #read(tx: Transaction, workers: readonly WorkerSession[]): Promise<Snapshot> {
    const { nodeId } = this.#engine.settings;
    const records = await tx.workers.list();
    const own = new Set(records.filter((record) => record.nodeId === nodeId).map((record) => record.workerId));
    const here = workers.filter((session) => own.has(session.workerId));
    const held = here.flatMap((session) => [...session.leases].filter((lease) => !lease.isRevoked));
    return {
      moved: workers.filter((session) => !own.has(session.workerId)),
      held: held.map(({ jobId, leaseToken }) => ({ jobId, leaseToken })),
      stored: await tx.workers.listLeases(here.map((session) => session.workerId)),
    };
  }

  /** The worker reconnects, or has done so elsewhere; either way it learns which leases are still its own. */
  #endSession(session: WorkerSession): void {
    this.#engine.dispatcher.removeSession(session);
    session.port.end();
  }

  /** Waits for a second check, by which a lease that is in transit or being settled is known. */
  async #releaseUnknown(stored: readonly WorkerLease[]): Promise<void> {
    const { dispatcher, lane } = this.#engine;
    const unknown = stored.filter((lease) => dispatcher.findSession(lease.workerId)?.find(lease) === null);
    const again = unknown.filter(({ jobId, leaseToken }) => this.#unknown.get(jobId) === leaseToken);
    this.#unknown = new Map(unknown.map(({ jobId, leaseToken }) => [jobId, leaseToken]));
    if (again.length === 0) return;
    const tokens = new Map(again.map(({ jobId, leaseToken }) => [jobId, leaseToken]));
    await lane.run(async (transaction) => {
      const jobs = await transaction.tx.jobs.getMany([...tokens.keys()]);
      const stillLeased = jobs.filter((job) => job.leaseToken === tokens.get(job.jobId));
      await applyEvent(transaction, stillLeased, { kind: "release", started: false });
    });
  }
}
