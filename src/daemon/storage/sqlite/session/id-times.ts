import type { Database } from "bun:sqlite";
import { LEAST_SKEW_MS, widenSkew } from "../../rows/id-time-skew.ts";
import { jobIdTime } from "../../rows/job-id.ts";
import type { Query, Row } from "../connection/rows.ts";

const KEY = "id_time_skew_ms";

const READ = "select value from meta where key = ?";

const SAVE = "insert into meta (key, value) values (?, ?) on conflict do update set value = excluded.value";

/** The distance between ids and their jobs' times (`id-time-skew.ts`), in memory: this process is the only writer. */
export class IdTimes {
  readonly #save: Query;
  #committed = LEAST_SKEW_MS;
  #current = LEAST_SKEW_MS;

  constructor(db: Database) {
    this.#save = db.prepare(SAVE);
    const row = db.prepare(READ).values(KEY)[0] as Row | undefined;
    if (row !== undefined) this.#committed = this.#current = Number(row[0]);
  }

  get skewMs(): number {
    return this.#current;
  }

  observe(id: Uint8Array, storedAt: number): void {
    this.#current = widenSkew(this.#current, jobIdTime(id), storedAt);
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
