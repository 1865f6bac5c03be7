import type { JobDetails, JobStatus } from "./job-details.ts";

/**
 * Which jobs; fields are joined by and, values of one field by or.
 *
 * @example
 * ```ts
 * const lastHour: JobQuery = { name: "orders:pay", status: ["dead", "cancelled"], createdAfter: new Date(Date.now() - 3_600_000) };
 * ```
 */
export interface JobQuery {
  readonly status?: JobStatus | readonly JobStatus[];
  readonly name?: string | readonly string[];
  readonly ids?: readonly string[];
  readonly idempotencyKey?: string;
  readonly parentId?: string;
  /** Name of the schedule that enqueued them. */
  readonly schedule?: string;
  readonly createdAfter?: Date;
  readonly createdBefore?: Date;
  /** Jobs of one page, 1 to 1000. [50] */
  readonly limit?: number;
  /** From the page before. */
  readonly pageToken?: string;
}

/**
 * One page of jobs, newest first; without args, results and stacks.
 *
 * @example
 * ```ts
 * for (let pageToken: string | undefined = ""; pageToken !== undefined; ) {
 *   const page: JobPage = await reseolio.listJobs({ status: "pending", pageToken });
 *   for (const { id, name } of page.jobs) console.log(id, name);
 *   pageToken = page.nextPageToken;
 * }
 * ```
 */
export interface JobPage {
  readonly jobs: readonly JobDetails[];
  /** Absent on the last page. */
  readonly nextPageToken?: string;
}
