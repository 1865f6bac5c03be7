import type { Database } from "bun:sqlite";
import { jobIdText } from "../../rows/job-id.ts";
import type { Row } from "../connection/rows.ts";

const AWAITED = "select distinct awaited_id from checkpoints where awaited_id is not null and recorded_at is null";

/**
 * Jobs whose end is awaited, in memory: the end of a job that nobody awaits costs no query. May contain jobs that are
 * no longer awaited, so the caller checks the rows.
 */
export class AwaitedJobs {
  readonly #ids = new Set<string>();
  /** Awaited jobs that ended in the open transaction. */
  #ended: string[] = [];
  /** How many of those `takeEnded` has returned. */
  #taken = 0;

  constructor(db: Database) {
    const awaited = db.prepare(AWAITED);
    for (const row of awaited.values() as Row[]) this.#ids.add(jobIdText(row[0] as Uint8Array));
    awaited.finalize();
  }

  add(jobId: string): void {
    this.#ids.add(jobId);
  }

  addEnd(jobId: string): void {
    if (this.#ids.has(jobId)) this.#ended.push(jobId);
  }

  /** Returns those that ended since the last call. */
  takeEnded(): readonly string[] {
    const ended = this.#ended.slice(this.#taken);
    this.#taken = this.#ended.length;
    return ended;
  }

  committed(): void {
    for (const jobId of this.#ended) this.#ids.delete(jobId);
    this.rolledBack();
  }

  rolledBack(): void {
    if (this.#ended.length > 0) this.#ended = [];
    this.#taken = 0;
  }
}
