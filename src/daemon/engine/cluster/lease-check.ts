import type { Lease } from "../../core/job.ts";
import type { Transaction } from "../../storage/seam/store.ts";
import type { WorkerLease } from "../../storage/seam/workers.ts";
import type { Engine } from "../engine.ts";
import { applyEvent } from "../lane/apply-event.ts";
import { notifyOfMovedJobs } from "./follow-other-daemons.ts";
import type { WorkerSession } from "../dispatch/worker-session.ts";

interface Snapshot {
  readonly moved: readonly WorkerSession[];
  /** By the sessions, as they were then. */
  readonly held: readonly Lease[];
  readonly stored: readonly WorkerLease[];
}

/**
 * Compares what this daemon believes of its workers with what is stored, since other daemons may have changed it: ends
 * streams of workers that went to another daemon or were lost by one, tells workers of leases that were taken, and gives
 * back leases that never reached their worker.
 */
export class LeaseCheck {
  readonly #engine: Engine;
  /** Stored leases that no session knew of the last time. */
  #unknown = new Map<string, number>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async run(): Promise<void> {
    const { dispatcher, lane } = this.#engine;
    // Their records are saved before this look comes to its turn in the lane.
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

  /** Its worker connects again, or has done so elsewhere; either way it learns which leases are still its own. */
  #endSession(session: WorkerSession): void {
    this.#engine.dispatcher.removeSession(session);
    session.port.end();
  }

  /** A lease that is on its way, or is being settled, is known by the next time. */
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
