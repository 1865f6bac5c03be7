import { Database } from "bun:sqlite";
import type { StoredJob } from "./claims.ts";

/** The jobs as the file has them, oldest first. Works with and without a daemon on the file. */
export function readStore(path: string): readonly StoredJob[] {
  const db = new Database(path, { readonly: true });
  try {
    return db
      .query<StoredJob, []>(
        `select id as jobId, idempotency_key as webhook, state, attempt, failures, losses
         from readable_jobs order by idempotency_key`,
      )
      .all()
      .map((job) => ({ ...job, jobId: dashed(job.jobId) }));
  } finally {
    db.close(true);
  }
}

/** The 32 digits as a UUID is written. */
function dashed(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
