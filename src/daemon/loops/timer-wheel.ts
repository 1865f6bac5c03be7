import type { Engine } from "../engine/engine.ts";
import { moveDueJobs } from "../engine/jobs/move-due-jobs.ts";
import type { Logger } from "../logger.ts";
import { SelfPacedLoop } from "./loop.ts";

/** Looks at the wall clock at least this often, so that a jump of it is noticed within the second. */
const MAX_WAIT_MS = 1_000;
/** What is due still is held by another daemon at the moment, which may have stopped in the middle: looked at again this soon. */
const TAKEN_MS = 20;

/** Moves delayed jobs and enforces start and finish deadlines at their time, never early, late by a commit. */
export class TimerWheel extends SelfPacedLoop {
  readonly #engine: Engine;
  /** On the store's clock; -Infinity asks the store at the next tick. */
  #nextDueAt = -Infinity;

  constructor(engine: Engine, logger: Logger) {
    super("the timer for delayed jobs", logger, () => this.#tick());
    this.#engine = engine;
    engine.dispatcher.due.add((dueAt) => this.#onDue(dueAt));
  }

  /** Called inside a transaction that is not committed yet: the tick comes after it, since it needs the lane too. */
  #onDue(dueAt: number): void {
    if (dueAt >= this.#nextDueAt) return;
    this.#nextDueAt = dueAt;
    this.within(Math.max(0, dueAt - this.#engine.clock.now()));
  }

  async #tick(): Promise<number> {
    // What other daemons stored is due here too, when they are gone. One question costs a sixth of a look at everything.
    if (this.#engine.store.isShared && !this.#isDue) this.#keepNearer(await this.#engine.store.nextDueAt());
    if (!this.#isDue) return this.#waitMs(0);
    await this.#move();
    return this.#waitMs(this.#engine.store.isShared ? TAKEN_MS : 0);
  }

  get #isDue(): boolean {
    return this.#engine.clock.now() >= this.#nextDueAt;
  }

  #waitMs(leastMs: number): number {
    return Math.min(MAX_WAIT_MS, Math.max(leastMs, this.#nextDueAt - this.#engine.clock.now()));
  }

  async #move(): Promise<void> {
    // What is noted while the store is being asked must not be overwritten by its older answer.
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
