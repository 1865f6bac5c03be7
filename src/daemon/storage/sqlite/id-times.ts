import type { Database } from "bun:sqlite";
import { jobIdTime } from "../job-id.ts";
import type { Query, Row } from "./rows.ts";

const KEY = "id_time_skew_ms";
const LEAST_SKEW_MS = 60_000;

/**
 * How far the time inside a job's id may be from the time at which the job was stored. Lists go by id, so this bounds
 * where jobs of a range of times can be. Callers choose ids by their own clocks: the widest distance ever seen is kept,
 * in powers of two, and only an id from a clock that is off by more costs a write.
 */
export class IdTimes {
  readonly #save: Query;
  #committed = LEAST_SKEW_MS;
  #current = LEAST_SKEW_MS;

  constructor(db: Database) {
    this.#save = db.prepare(
      "insert into meta (key, value) values (?, ?) on conflict do update set value = excluded.value",
    );
    const row = db.prepare("select value from meta where key = ?").values(KEY)[0] as Row | undefined;
    if (row !== undefined) this.#committed = this.#current = Number(row[0]);
  }

  get skewMs(): number {
    return this.#current;
  }

  observe(id: Uint8Array, storedAt: number): void {
    const distance = Math.abs(jobIdTime(id) - storedAt);
    while (distance > this.#current) this.#current *= 2;
  }

  flush(): void {
    if (this.#current !== this.#committed) this.#save.run(KEY, String(this.#current));
  }

  committed(): void {
    this.#committed = this.#current;
  }

  rolledBack(): void {
    this.#current = this.#committed;
  }
}
