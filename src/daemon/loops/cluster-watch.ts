import { applyHint } from "../engine/cluster/follow-other-daemons.ts";
import { LeaseCheck } from "../engine/cluster/lease-check.ts";
import { sweepAwaited } from "../engine/cluster/sweep-awaited.ts";
import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../logger.ts";
import type { HintListener, StoreHint } from "../storage/seam/cluster.ts";
import { type Loop, SelfPacedLoop } from "./loop.ts";

/** Interval of full checks: they make up for lost hints, and replace hints where a pooler blocks them. */
const CHECK_MS = 500;
/** Delay of a full check after a hint that names too much; several such hints share one check. */
const SOON_MS = 50;

/**
 * Follows what other daemons on the same database commit: by their hints, and by checking everything that may matter
 * here twice a second.
 */
export class ClusterWatch implements Loop {
  readonly #engine: Engine;
  readonly #logger: Logger;
  readonly #leases: LeaseCheck;
  readonly #loops: readonly SelfPacedLoop[];
  #listening: Promise<HintListener> | null = null;

  constructor(engine: Engine, logger: Logger) {
    this.#engine = engine;
    this.#logger = logger;
    this.#leases = new LeaseCheck(engine);
    // Separate loops, because checking very many awaited jobs takes long.
    this.#loops = [
      new SelfPacedLoop("lease check", logger, () => this.#leases.run().then(() => CHECK_MS)),
      new SelfPacedLoop("check of awaited jobs", logger, () => sweepAwaited(engine).then(() => CHECK_MS)),
    ];
  }

  start(): void {
    for (const loop of this.#loops) loop.start();
    // Applies changes one after the other, so that watchers see them in order.
    let applying = Promise.resolve();
    this.#listening ??= this.#engine.store.cluster.listen((hint) => {
      if (hint.changes === undefined) void this.#apply(hint);
      else applying = applying.then(() => this.#apply(hint));
    });
    this.#engine.changes.follow({ want: async (isWanted) => (await this.#listening)?.wantChanges(isWanted) });
    this.#listening.catch((error: unknown) =>
      this.#logger.warn("cluster notifications unavailable; checking the database twice a second instead", { error }),
    );
  }

  async tickNow(): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.tickNow()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.stop()));
    const listener = await this.#listening?.catch(() => null);
    await listener?.stop();
  }

  async #apply(hint: StoreHint): Promise<void> {
    try {
      if (await applyHint(this.#engine, hint)) for (const loop of this.#loops) loop.within(SOON_MS);
    } catch (error) {
      this.#logger.debug("cannot apply a hint from another daemon; the next check makes up for it", { error });
    }
  }
}
