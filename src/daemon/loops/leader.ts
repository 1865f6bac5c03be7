import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../logger.ts";
import type { Leadership } from "../storage/seam/cluster.ts";
import { SelfPacedLoop } from "./loop.ts";

/** Whether this daemon does what need not be done by all. */
export interface Leader {
  readonly isLeading: boolean;
}

/** How often it is looked whether the leadership is free. */
const WAIT_MS = 1_000;
/** It believes in its lease for less than others do. */
const MARGIN = 0.8;

/**
 * Keeps the leadership, or waits for it. It saves work and nothing rests on it. Times are measured on the monotonic
 * clock, from before the question: a daemon that hangs no longer leads when it wakes, and a leader that is gone is
 * followed a lease after it was last seen to renew, whatever the clocks say.
 */
export class LeaderLoop extends SelfPacedLoop implements Leader {
  readonly #engine: Engine;
  readonly #logger: Logger;
  #trustedUntil = -Infinity;
  #wasLeading = false;
  /** The leadership of another daemon, and since when it has been like this. */
  #seen: { readonly leadership: Leadership; readonly since: number } | null = null;

  constructor(engine: Engine, logger: Logger) {
    super("the loop of the leader", logger, () => this.#tick());
    this.#engine = engine;
    this.#logger = logger;
  }

  get isLeading(): boolean {
    return this.#engine.clock.monotonic() < this.#trustedUntil;
  }

  override async stop(): Promise<void> {
    await super.stop();
    this.#trustedUntil = -Infinity;
    // Else the next one waits for the end of the lease.
    if (this.#wasLeading) await this.#engine.store.cluster.resign(this.#engine.settings.nodeId).catch(() => {});
  }

  async #tick(): Promise<number> {
    const { store, settings, clock } = this.#engine;
    const askedAt = clock.monotonic();
    const leadership = await store.cluster.lead(settings.nodeId, settings.leaseMs, this.#unmoved(askedAt));
    const isOurs = leadership.nodeId === settings.nodeId;
    if (isOurs) this.#trustedUntil = askedAt + settings.leaseMs * MARGIN;
    else this.#note(leadership, clock.monotonic());
    if (isOurs !== this.#wasLeading) this.#logger.debug(isOurs ? "leading" : "no longer leading", { ...leadership });
    this.#wasLeading = isOurs;
    return isOurs ? settings.leaseMs / 3 : Math.min(WAIT_MS, settings.leaseMs / 3);
  }

  /** What another daemon has not renewed for a whole lease. */
  #unmoved(now: number): Leadership | null {
    if (this.#seen === null || now - this.#seen.since < this.#engine.settings.leaseMs) return null;
    return this.#seen.leadership;
  }

  #note(leadership: Leadership, now: number): void {
    const before = this.#seen?.leadership;
    if (before?.term === leadership.term && before.expiresAt === leadership.expiresAt) return;
    this.#seen = { leadership, since: now };
  }
}
