import type { Engine } from "../engine/engine.ts";
import { moveDueJobs } from "../engine/jobs/move-due-jobs.ts";
import type { Logger } from "../logger.ts";
import { SelfPacedLoop } from "./loop.ts";

/** Longest time between ticks, so that a jump of the wall clock is detected within a second. */
const MAX_WAIT_MS = 1_000;
/** Rows still due after a pass are locked by another daemon, which may have crashed; retry this soon. */
const LOCKED_MS = 20;

/** Makes delayed jobs ready and enforces start and finish deadlines, never early and at most a commit late. */
export class TimerWheel extends SelfPacedLoop {
  readonly #engine: Engine;
  /** On the store's clock; -Infinity queries the store at the next tick. */
  #nextDueAt = -Infinity;

  constructor(engine: Engine, logger: Logger) {
    super("timer of delayed jobs", logger, () => this.#tick());
    this.#engine = engine;
    engine.dispatcher.due.add((dueAt) => this.#onDue(dueAt));
  }

  /**
   * May run inside a transaction that is not committed yet: the tick needs the lane too, so it comes after the commit.
   */
  #onDue(dueAt: number): void {
    if (dueAt >= this.#nextDueAt) return;
    this.#nextDueAt = dueAt;
    this.within(Math.max(0, dueAt - this.#engine.clock.now()));
  }

  async #tick(): Promise<number> {
    // Jobs that other daemons stored become due here too. This query costs a sixth of a full pass.
    if (this.#engine.store.isShared && !this.#isDue) this.#keepNearer(await this.#engine.store.nextDueAt());
    if (!this.#isDue) return this.#waitMs(0);
    await this.#move();
    return this.#waitMs(this.#engine.store.isShared ? LOCKED_MS : 0);
  }

  get #isDue(): boolean {
    return this.#engine.clock.now() >= this.#nextDueAt;
  }

  #waitMs(leastMs: number): number {
    return Math.min(MAX_WAIT_MS, Math.max(leastMs, this.#nextDueAt - this.#engine.clock.now()));
  }

  async #move(): Promise<void> {
    // Times that arrive during the query must not be overwritten by its older answer.
    this.#nextDueAt = Infinity;
    try {
      this.#keepNearer(await moveDueJobs(this.#engine));
    } catch (error) {
      this.#nextDueAt = -Infinity;
      throw error;
    }
  }

  #keepNearer(dueAt: number | null): void {
    this.#nextDueAt = Math.min(this.#nextDueAt, dueAt ?? Infinity);
  }
}
