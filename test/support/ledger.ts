import { existsSync, readFileSync } from "node:fs";
import type { LedgerEntry } from "../e2e/fixtures/recipe.ts";

/** What handlers did to the world: a file that workers append to, whatever becomes of them. */
export class Ledger {
  readonly #waiters = new Set<() => void>();

  constructor(readonly path: string) {}

  /** Whole lines only: a worker may be writing one this moment. */
  get entries(): readonly LedgerEntry[] {
    if (!existsSync(this.path)) return [];
    const lines = readFileSync(this.path, "utf8").split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as LedgerEntry);
  }

  find(event: LedgerEntry["event"], jobId?: string): readonly LedgerEntry[] {
    return this.entries.filter((entry) => entry.event === event && (jobId === undefined || entry.jobId === jobId));
  }

  /** How often each job was started. */
  starts(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { jobId } of this.find("start")) counts.set(jobId, (counts.get(jobId) ?? 0) + 1);
    return counts;
  }

  /** A worker says that it has written something. */
  noteWritten(): void {
    for (const wake of this.#waiters) wake();
  }

  /** Resolves with the entries of this event, of one job or of all, once there are so many. */
  async until(
    event: LedgerEntry["event"],
    count: number,
    jobId?: string,
    withinMs = 20_000,
  ): Promise<readonly LedgerEntry[]> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const found = this.find(event, jobId);
      if (found.length >= count) return found;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new Error(`${found.length} of ${count} ${event} in the ledger after ${withinMs} ms`);
      await this.#written(leftMs);
    }
  }

  #written(withinMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, withinMs);
    this.#waiters.add(resolve);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiters.delete(resolve);
    });
  }
}
