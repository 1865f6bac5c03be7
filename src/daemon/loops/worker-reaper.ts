import type { Engine } from "../engine/engine.ts";
import { loseWorker, type SeenRecord } from "../engine/workers/lose-worker.ts";
import type { WorkerSession } from "../engine/dispatch/worker-session.ts";
import type { Logger } from "../logger.ts";
import type { WorkerRecord } from "../storage/seam/workers.ts";
import { SelfPacedLoop } from "./loop.ts";
import { isProcessGone } from "./process-probe.ts";

const TICK_MS = 1_000;
/** When a stream breaks because its process was killed, the process may need a moment to disappear. */
const AFTER_DISCONNECT_MS = [10, 100, 400] as const;

/** Leases of other daemons may be longer than ours, but a store's clock that jumped back is not believed for ever. */
const MAX_OTHER_LEASE_MS = 60_000;

interface Silence {
  /** On the monotonic clock: nothing heard of it by then, it is lost. */
  readonly lostAt: number;
  /** As its record was when that was decided; null before the first look. */
  readonly seen: WorkerRecord | null;
}

/**
 * Renews the leases of connected workers and takes back those of workers that are gone: at once when their process on
 * this host is gone, else when nothing was heard of them for a whole lease. Lengths are measured on the monotonic
 * clock, so that a jump of the wall clock neither stretches nor ends a lease.
 */
export class WorkerReaper extends SelfPacedLoop {
  readonly #engine: Engine;
  readonly #logger: Logger;
  readonly #hostId: string;
  /** Of workers without a stream to this daemon. */
  readonly #silent = new Map<string, Silence>();
  /** Who holds leases without a record, and since when. */
  #strays = new Map<string, number>();
  #renewedAt = -Infinity;
  #strayLookAt = -Infinity;
  #tickedAt: number | null = null;
  #probes: number[] = [];

  constructor(engine: Engine, logger: Logger, hostId: string) {
    super("the reaper of lost workers", logger, () => this.#tick());
    this.#engine = engine;
    this.#logger = logger;
    this.#hostId = hostId;
  }

  /** A worker's stream ended: look soon whether its process did, and count its silence from its last frame. */
  onDisconnected(session: WorkerSession): void {
    const { leaseMs } = this.#engine.settings;
    this.#silent.set(session.workerId, { lostAt: session.lastSeenAt + leaseMs, seen: null });
    const now = this.#engine.clock.monotonic();
    this.#probes = AFTER_DISCONNECT_MS.map((delayMs) => now + delayMs);
    this.within(AFTER_DISCONNECT_MS[0]);
  }

  async #tick(): Promise<number> {
    const now = this.#engine.clock.monotonic();
    this.#forgiveOwnPause(now);
    await this.#endSilentSessions(now);
    await this.#renew(now);
    await this.#reapDisconnected(now);
    await this.#reapStrays(now);
    this.#tickedAt = this.#engine.clock.monotonic();
    this.#probes = this.#probes.filter((at) => at > now);
    return Math.min(TICK_MS, (this.#probes[0] ?? Infinity) - this.#engine.clock.monotonic());
  }

  /** When this daemon itself stood still, its workers' frames wait in the sockets: nobody was silent but it. */
  #forgiveOwnPause(now: number): void {
    const { leaseMs } = this.#engine.settings;
    // Ticks that fail, because the store is away, are a pause too.
    if (this.#tickedAt === null || now - this.#tickedAt < TICK_MS + leaseMs / 3) return;
    for (const session of this.#engine.dispatcher.sessions) session.lastSeenAt = now;
    for (const [workerId, silent] of this.#silent) {
      this.#silent.set(workerId, { ...silent, lostAt: Math.max(silent.lostAt, now + leaseMs) });
    }
  }

  async #endSilentSessions(now: number): Promise<void> {
    for (const session of [...this.#engine.dispatcher.sessions]) {
      if (now - session.lastSeenAt > this.#engine.settings.leaseMs) await this.#lose(session.workerId, "silent");
    }
  }

  async #renew(now: number): Promise<void> {
    const { leaseMs, nodeId } = this.#engine.settings;
    if (now - this.#renewedAt < leaseMs / 3) return;
    this.#renewedAt = now;
    const workerIds = [...this.#engine.dispatcher.sessions]
      .filter((session) => session.isWorker)
      .map((session) => session.workerId);
    if (workerIds.length > 0) await this.#engine.lane.run(({ tx }) => tx.workers.renew(nodeId, workerIds, leaseMs));
  }

  async #reapDisconnected(now: number): Promise<void> {
    const records = await this.#engine.store.workers.list();
    const gone = records.filter((record) => this.#engine.dispatcher.findSession(record.workerId) === null);
    this.#forgetAllBut(gone);
    for (const record of gone) {
      if (record.hostId === this.#hostId && isProcessGone(record.pid, record.processStart)) {
        await this.#lose(record.workerId, "process gone", record);
      } else if (now > this.#lostAt(record, now)) {
        await this.#lose(record.workerId, "silent", record);
      }
    }
  }

  /**
   * A record that another daemon renews is not silent: its lease moves. Each time it does a whole lease of watching
   * begins, ours or, when that daemon's leases are longer, what is left of its own.
   */
  #lostAt(record: WorkerRecord, now: number): number {
    const known = this.#silent.get(record.workerId);
    const { leaseMs, nodeId } = this.#engine.settings;
    const { store } = this.#engine;
    if (known !== undefined && known.seen?.leaseExpiresAt === record.leaseExpiresAt) return known.lostAt;
    const leftMs = store.isShared ? Math.min(record.leaseExpiresAt - store.now(), MAX_OTHER_LEASE_MS) : 0;
    // It left us, and nobody took it in since.
    const isOurs = known !== undefined && known.seen === null && record.nodeId === nodeId;
    const lostAt = isOurs ? known.lostAt : now + Math.max(leaseMs, leftMs);
    this.#silent.set(record.workerId, { lostAt, seen: record });
    return lostAt;
  }

  /** A daemon that stood still may have claimed for a worker that others had given up: nobody would end those leases. */
  async #reapStrays(now: number): Promise<void> {
    if (now - this.#strayLookAt < this.#engine.settings.leaseMs / 3) return;
    this.#strayLookAt = now;
    const records = new Set((await this.#engine.store.workers.list()).map((record) => record.workerId));
    const holders = (await this.#engine.store.workers.countLeases()).map(({ workerId }) => workerId);
    const strays = holders.filter((workerId) => !records.has(workerId));
    this.#strays = new Map(strays.map((workerId) => [workerId, this.#strays.get(workerId) ?? now]));
    for (const [workerId, since] of this.#strays) {
      if (now - since > this.#engine.settings.leaseMs) await this.#lose(workerId, "without a record", null);
    }
  }

  #forgetAllBut(records: readonly WorkerRecord[]): void {
    const kept = new Set(records.map((record) => record.workerId));
    for (const workerId of this.#silent.keys()) if (!kept.has(workerId)) this.#silent.delete(workerId);
  }

  async #lose(
    workerId: string,
    why: "silent" | "process gone" | "without a record",
    judged?: SeenRecord,
  ): Promise<void> {
    this.#silent.delete(workerId);
    const leases = await loseWorker(this.#engine, workerId, judged);
    const level = leases > 0 ? "warn" : "debug";
    this.#logger[level]("worker lost", { workerId, why, leases });
  }
}
