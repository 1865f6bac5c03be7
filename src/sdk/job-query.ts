import type { JobDetails, JobStatus } from "./job-details.ts";

/**
 * Selects jobs. A job must match every given field; a field with several values matches any of them.
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
  /** Page size, 1 to 1000. [50] */
  readonly limit?: number;
  /** `nextPageToken` of the previous page. */
  readonly pageToken?: string;
}

/**
 * One page of jobs, newest first, without args, results and stacks.
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
