import type { Job } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Client } from "../../sdk/transport/client.ts";
import type { JobFilterInit } from "../flags/job-filter.ts";

const PAGE = 1_000;

/**
 * Yields pages of jobs, newest first, up to `limit` jobs.
 *
 * @param onMore called if there are more jobs than the limit
 */
export async function* listJobs(
  client: Client,
  filter: JobFilterInit,
  limit: number,
  onMore: () => void = () => {},
): AsyncGenerator<readonly Job[]> {
  let pageToken = "";
  for (let left = limit; left > 0;) {
    const page = await client.jobs.listJobs({ filter, pageSize: Math.min(PAGE, left), pageToken });
    left -= page.jobs.length;
    pageToken = page.nextPageToken;
    yield page.jobs;
    if (pageToken === "") return;
  }
  onMore();
}
