import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../logger.ts";
import type { Leadership } from "../storage/seam/cluster.ts";
import { SelfPacedLoop } from "./loop.ts";

/** Whether this daemon does the work that one daemon does for all. */
export interface Leader {
  readonly isLeading: boolean;
}

/** Interval at which a daemon checks whether the leadership is free. */
const WAIT_MS = 1_000;
/** The leader treats its lease as expired before its peers do. */
const MARGIN = 0.8;

/**
 * Keeps the leadership, or waits for it. Leadership saves work; correctness does not depend on it. Times are measured
 * on the monotonic clock from before the request: a daemon that hung no longer leads when it continues, and a leader
 * that is gone is replaced one lease after its last visible renewal, whatever the wall clocks show.
 */
export class LeaderLoop extends SelfPacedLoop implements Leader {
  readonly #engine: Engine;
  readonly #logger: Logger;
  #trustedUntil = -Infinity;
  #wasLeading = false;
  /** The leadership of another daemon, and since when it has not changed. */
  #seen: { readonly leadership: Leadership; readonly since: number } | null = null;

  constructor(engine: Engine, logger: Logger) {
    super("leader election", logger, () => this.#tick());
    this.#engine = engine;
    this.#logger = logger;
  }

  get isLeading(): boolean {
    return this.#engine.clock.monotonic() < this.#trustedUntil;
  }

  override async stop(): Promise<void> {
    await super.stop();
    this.#trustedUntil = -Infinity;
    // Otherwise the next leader waits for the lease to end.
    if (this.#wasLeading) await this.#engine.store.cluster.resign(this.#engine.settings.nodeId).catch(() => {});
  }

  async #tick(): Promise<number> {
    const { store, settings, clock } = this.#engine;
    const askedAt = clock.monotonic();
    const leadership = await store.cluster.lead(settings.nodeId, settings.leaseMs, this.#expired(askedAt));
    const isOurs = leadership.nodeId === settings.nodeId;
    if (isOurs) this.#trustedUntil = askedAt + settings.leaseMs * MARGIN;
    else this.#observe(leadership, clock.monotonic());
    if (isOurs !== this.#wasLeading) this.#logger.debug(isOurs ? "leading" : "no longer leading", { ...leadership });
    this.#wasLeading = isOurs;
    return isOurs ? settings.leaseMs / 3 : Math.min(WAIT_MS, settings.leaseMs / 3);
  }

  /** The leadership that another daemon has not renewed for a whole lease; null when there is none. */
  #expired(now: number): Leadership | null {
    if (this.#seen === null || now - this.#seen.since < this.#engine.settings.leaseMs) return null;
    return this.#seen.leadership;
  }

  #observe(leadership: Leadership, now: number): void {
    const before = this.#seen?.leadership;
    if (before?.term === leadership.term && before.expiresAt === leadership.expiresAt) return;
    this.#seen = { leadership, since: now };
  }
}
