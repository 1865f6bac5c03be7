import type { WorkerSession } from "../engine/dispatch/worker-session.ts";
import type { Engine } from "../engine/engine.ts";
import { loseWorker, type SeenRecord } from "../engine/workers/lose-worker.ts";
import type { Logger } from "../logger.ts";
import type { WorkerRecord } from "../storage/seam/workers.ts";
import { SelfPacedLoop } from "./loop.ts";
import { isProcessGone } from "./process-probe.ts";

const TICK_MS = 1_000;
/** Checks after a broken stream: a process that was killed may need a moment to disappear. */
const AFTER_DISCONNECT_MS = [10, 100, 400] as const;

/**
 * Limits the wait for leases of other daemons, which may be longer than ours, in case the store's clock jumped back.
 */
const MAX_OTHER_LEASE_MS = 60_000;

interface Silence {
  /** On the monotonic clock: the worker is lost if it stays silent until then. */
  readonly lostAt: number;
  /** Its record when `lostAt` was computed; null before the first check. */
  readonly seen: WorkerRecord | null;
}

/**
 * Renews the leases of connected workers and revokes those of lost ones: at once when their process on this host is
 * gone, otherwise after a whole lease of silence. Durations are measured on the monotonic clock, so that a jump of the
 * wall clock neither extends nor ends a lease.
 */
export class WorkerReaper extends SelfPacedLoop {
  readonly #engine: Engine;
  readonly #logger: Logger;
  readonly #hostId: string;
  /** Workers without a stream to this daemon. */
  readonly #silent = new Map<string, Silence>();
  /** Workers that hold leases but have no record, and since when. */
  #strays = new Map<string, number>();
  #renewedAt = -Infinity;
  #straysCheckedAt = -Infinity;
  #tickedAt: number | null = null;
  #probes: number[] = [];

  constructor(engine: Engine, logger: Logger, hostId: string) {
    super("worker reaper", logger, () => this.#tick());
    this.#engine = engine;
    this.#logger = logger;
    this.#hostId = hostId;
  }

  /**
   * A worker's stream has ended: checks soon whether its process has too, and measures its silence from its last frame.
   */
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

  /** If this daemon itself was paused, its workers' frames wait in the sockets: they were not silent. */
  #forgiveOwnPause(now: number): void {
    const { leaseMs } = this.#engine.settings;
    // Ticks that fail because the store is unavailable are a pause too.
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
   * When a worker without a stream here is lost. Each renewal by another daemon starts a whole lease of waiting: ours,
   * or what is left of its own if that is longer.
   */
  #lostAt(record: WorkerRecord, now: number): number {
    const known = this.#silent.get(record.workerId);
    const { leaseMs, nodeId } = this.#engine.settings;
    const { store } = this.#engine;
    if (known !== undefined && known.seen?.leaseExpiresAt === record.leaseExpiresAt) return known.lostAt;
    const leftMs = store.isShared ? Math.min(record.leaseExpiresAt - store.now(), MAX_OTHER_LEASE_MS) : 0;
    // It disconnected from this daemon, and no other one has it.
    const isOurs = known !== undefined && known.seen === null && record.nodeId === nodeId;
    const lostAt = isOurs ? known.lostAt : now + Math.max(leaseMs, leftMs);
    this.#silent.set(record.workerId, { lostAt, seen: record });
    return lostAt;
  }

  /**
   * A paused daemon may have claimed jobs for a worker that others had declared lost: nobody else would end those
   * leases.
   */
  async #reapStrays(now: number): Promise<void> {
    if (now - this.#straysCheckedAt < this.#engine.settings.leaseMs / 3) return;
    this.#straysCheckedAt = now;
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
