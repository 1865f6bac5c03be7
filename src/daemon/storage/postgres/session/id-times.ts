import { LEAST_SKEW_MS, widenSkew } from "../../rows/id-time-skew.ts";
import type { Runner } from "../connection/runner.ts";

const READ = "select value::bigint from reseolio.meta where key = 'id_time_skew_ms'";

/**
 * How far the time inside a job's id is from the time at which the job was stored, at most, in one transaction; see
 * `id-time-skew.ts`. Other daemons may know wider distances, so readers ask the database.
 */
export class IdTimes {
  #skewMs = LEAST_SKEW_MS;

  observe(jobId: string, storedAt: number): void {
    this.#skewMs = widenSkew(this.#skewMs, timeOf(jobId), storedAt);
  }

  /** The widest distance, when it exceeds the least one; else null. */
  widened(): number | null {
    return this.#skewMs === LEAST_SKEW_MS ? null : this.#skewMs;
  }
}

/** Whether the id's time is within the least distance, even when `now` is off by so much. */
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
