import type { Runner } from "./runner.ts";

const LEAST_SKEW_MS = 60_000;
const READ = "select value::bigint from reseolio.meta where key = 'id_time_skew_ms'";

/**
 * How far the time inside a job's id may be from the time at which the job was stored. Lists go by id, so this bounds
 * where jobs of a range of times can be. Callers choose ids by their own clocks: the widest distance ever seen is kept,
 * in powers of two, and only an id from a clock that is off by more costs a write. Other daemons may know wider ones,
 * so readers ask the database.
 */
export class IdTimes {
  #committed = LEAST_SKEW_MS;
  #current = LEAST_SKEW_MS;

  observe(jobId: string, storedAt: number): void {
    const distance = Math.abs(timeOf(jobId) - storedAt);
    while (distance > this.#current) this.#current *= 2;
  }

  /** The widest distance when this transaction widened it, else null. */
  widened(): number | null {
    return this.#current === this.#committed ? null : this.#current;
  }

  committed(): void {
    this.#committed = this.#current;
  }

  rolledBack(): void {
    this.#current = this.#committed;
  }
}

/** Whether ids of this kind are known to every reader, also when `now` is wrong by so much. */
export function isUsualTime(jobId: string, now: number, byMs: number): boolean {
  return Math.abs(timeOf(jobId) - now) <= LEAST_SKEW_MS - byMs;
}

/** The widest distance of all daemons. */
export async function readIdTimeSkew(runner: Runner): Promise<number> {
  return ((await runner.rows(READ))[0]?.[0] as number | undefined) ?? LEAST_SKEW_MS;
}

/** The time inside a UUIDv7; for other UUIDs some number. */
function timeOf(jobId: string): number {
  return Number.parseInt(jobId.slice(0, 8) + jobId.slice(9, 13), 16);
}
