import type { Engine } from "../engine/engine.ts";
import { loseWorker } from "../engine/lose-worker.ts";
import type { WorkerSession } from "../engine/worker-session.ts";
import type { Logger } from "../logger.ts";
import type { WorkerRecord } from "../storage/job-store.ts";
import type { Loop } from "./loop.ts";
import { SelfPacedLoop } from "./loop.ts";
import { isProcessGone } from "./process-probe.ts";

const TICK_MS = 1_000;
/** When a stream breaks because its process was killed, the process may need a moment to disappear. */
const AFTER_DISCONNECT_MS = [10, 100, 400] as const;

/**
 * Renews the leases of connected workers and takes back those of workers that are gone: at once when their process on
 * this host is gone, else when nothing was heard of them for a whole lease. Lengths are measured on the monotonic
 * clock, so that a jump of the wall clock neither stretches nor ends a lease.
 */
export class WorkerReaper implements Loop {
  readonly #engine: Engine;
  readonly #logger: Logger;
  readonly #hostId: string;
  readonly #loop: SelfPacedLoop;
  /** Of workers without a stream to this daemon: since when nothing was heard of them. */
  readonly #silent = new Map<string, { readonly since: number; readonly leaseExpiresAt: number }>();
  #renewedAt = -Infinity;
  #tickedAt: number | null = null;
  #probes: number[] = [];

  constructor(engine: Engine, logger: Logger, hostId: string) {
    this.#engine = engine;
    this.#logger = logger;
    this.#hostId = hostId;
    this.#loop = new SelfPacedLoop("the reaper of lost workers", logger, () => this.#tick());
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  tickNow(): Promise<void> {
    return this.#loop.tickNow();
  }

  /** A worker's stream ended: look soon whether its process did, and count its silence from its last frame. */
  noteDisconnected(session: WorkerSession): void {
    this.#silent.set(session.workerId, { since: session.lastSeenAt, leaseExpiresAt: Number.NaN });
    const now = this.#engine.clock.monotonic();
    this.#probes = AFTER_DISCONNECT_MS.map((delayMs) => now + delayMs);
    this.#loop.within(AFTER_DISCONNECT_MS[0]);
  }

  async #tick(): Promise<number> {
    const now = this.#engine.clock.monotonic();
    this.#forgiveOwnPause(now);
    await this.#endSilentSessions(now);
    await this.#renew(now);
    await this.#reapDisconnected(now);
    this.#tickedAt = this.#engine.clock.monotonic();
    this.#probes = this.#probes.filter((at) => at > now);
    return Math.min(TICK_MS, (this.#probes[0] ?? Infinity) - this.#engine.clock.monotonic());
  }

  /** When this daemon itself stood still, its workers' frames wait in the sockets: nobody was silent but it. */
  #forgiveOwnPause(now: number): void {
    if (this.#tickedAt === null || now - this.#tickedAt < TICK_MS + this.#engine.settings.leaseMs / 3) return;
    for (const session of this.#engine.dispatcher.sessions) session.lastSeenAt = now;
    for (const [workerId, silent] of this.#silent) this.#silent.set(workerId, { ...silent, since: now });
  }

  async #endSilentSessions(now: number): Promise<void> {
    for (const session of [...this.#engine.dispatcher.sessions]) {
      if (now - session.lastSeenAt > this.#engine.settings.leaseMs) await this.#lose(session.workerId, "silent");
    }
  }

  async #renew(now: number): Promise<void> {
    const { leaseMs } = this.#engine.settings;
    if (now - this.#renewedAt < leaseMs / 3) return;
    this.#renewedAt = now;
    const workerIds = [...this.#engine.dispatcher.sessions]
      .filter((session) => session.functionNames.size > 0 && session.concurrency > 0)
      .map((session) => session.workerId);
    if (workerIds.length > 0) await this.#engine.lane.run(({ tx }) => tx.renewWorkers(workerIds, leaseMs));
  }

  async #reapDisconnected(now: number): Promise<void> {
    const records = await this.#engine.store.listWorkers();
    const gone = records.filter((record) => this.#engine.dispatcher.findSession(record.workerId) === null);
    this.#forgetAllBut(gone);
    for (const record of gone) {
      if (record.hostId === this.#hostId && isProcessGone(record.pid, record.processStart)) {
        await this.#lose(record.workerId, "process gone");
      } else if (now - this.#silentSince(record, now) > this.#engine.settings.leaseMs) {
        await this.#lose(record.workerId, "silent");
      }
    }
  }

  /** A record that another daemon renews is not silent: its lease moves. */
  #silentSince(record: WorkerRecord, now: number): number {
    const known = this.#silent.get(record.workerId);
    if (known?.leaseExpiresAt === record.leaseExpiresAt) return known.since;
    const since = known !== undefined && Number.isNaN(known.leaseExpiresAt) ? known.since : now;
    this.#silent.set(record.workerId, { since, leaseExpiresAt: record.leaseExpiresAt });
    return since;
  }

  #forgetAllBut(records: readonly WorkerRecord[]): void {
    const kept = new Set(records.map((record) => record.workerId));
    for (const workerId of this.#silent.keys()) if (!kept.has(workerId)) this.#silent.delete(workerId);
  }

  async #lose(workerId: string, why: "silent" | "process gone"): Promise<void> {
    this.#silent.delete(workerId);
    const leases = await loseWorker(this.#engine, workerId);
    const level = leases > 0 ? "warn" : "debug";
    this.#logger[level]("worker lost", { workerId, why, leases });
  }
}
