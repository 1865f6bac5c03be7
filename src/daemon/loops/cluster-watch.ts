import { LeaseCheck } from "../engine/cluster/lease-check.ts";
import type { Engine } from "../engine/engine.ts";
import { applyHint } from "../engine/cluster/follow-other-daemons.ts";
import { sweepAwaited } from "../engine/cluster/sweep-awaited.ts";
import type { Logger } from "../logger.ts";
import type { HintListener, StoreHint } from "../storage/seam/cluster.ts";
import type { Loop } from "./loop.ts";
import { SelfPacedLoop } from "./loop.ts";

/** Makes up for hints that were lost, and stands in for them where a pooler lets none through. */
const LOOK_MS = 500;
/** After a hint that names too much; many of them are one look. */
const SOON_MS = 50;

/**
 * Follows what other daemons on the same database commit: by their hints, and by looking at everything that may matter
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
    // Two, since a look at very many awaited jobs takes its time.
    this.#loops = [
      new SelfPacedLoop("the look at leases", logger, () => this.#leases.run().then(() => LOOK_MS)),
      new SelfPacedLoop("the look at awaited jobs", logger, () => sweepAwaited(engine).then(() => LOOK_MS)),
    ];
  }

  start(): void {
    for (const loop of this.#loops) loop.start();
    // Changes one after the other, so that watchers see them in their order.
    let telling = Promise.resolve();
    this.#listening ??= this.#engine.store.cluster.listen((hint) => {
      if (hint.changes === undefined) void this.#heed(hint);
      else telling = telling.then(() => this.#heed(hint));
    });
    this.#engine.changes.follow({ want: async (isWanted) => (await this.#listening)?.wantChanges(isWanted) });
    this.#listening.catch((error: unknown) => this.#logger.warn("hints of other daemons are off", { error }));
  }

  async tickNow(): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.tickNow()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.stop()));
    const listener = await this.#listening?.catch(() => null);
    await listener?.stop();
  }

  async #heed(hint: StoreHint): Promise<void> {
    try {
      if (await applyHint(this.#engine, hint)) for (const loop of this.#loops) loop.within(SOON_MS);
    } catch (error) {
      this.#logger.debug("a hint of another daemon could not be followed; the next look makes up for it", { error });
    }
  }
}
