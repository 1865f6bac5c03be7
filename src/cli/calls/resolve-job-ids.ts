import type { Client } from "../../sdk/transport/client.ts";
import { CliError, usageError } from "../exit.ts";
import { isWholeId } from "../text/job-id.ts";
import { toTimestamp } from "../text/timestamps.ts";

/**
 * Completes IDs that are given by their first characters. Does not check whether full IDs exist.
 *
 * @throws CliError `not_found` if no job ID begins like that, `usage` if several do
 */
export async function resolveJobIds(client: Client, ids: readonly string[]): Promise<string[]> {
  const whole: string[] = [];
  for (const id of ids) whole.push(isWholeId(id) ? id : await findByPrefix(client, id));
  return whole;
}

// A job ID contains the time at which it was generated, which is close to the creation time of the job.
const EARLIER_MS = 5_000;
const LATER_MS = 60_000;
const MOST_PAGES = 20;

async function findByPrefix(client: Client, prefix: string): Promise<string> {
  const madeAt = Number.parseInt(prefix.replaceAll("-", "").slice(0, 12), 16);
  const filter = { createdAfter: toTimestamp(madeAt - EARLIER_MS), createdBefore: toTimestamp(madeAt + LATER_MS) };
  const found: string[] = [];
  let pageToken = "";
  for (let page = 0; page < MOST_PAGES; page++) {
    const response = await client.jobs.listJobs({ filter, pageSize: 1_000, pageToken });
    found.push(...response.jobs.map((job) => job.jobId).filter((jobId) => jobId.startsWith(prefix)));
    pageToken = response.nextPageToken;
    if (pageToken === "") break;
  }
  const [first, second] = found;
  if (first === undefined) {
    throw new CliError("not_found", `no job ID begins with ${prefix}`, {
      hint: "pass the full ID; reseolio jobs list -q prints full IDs",
    });
  }
  if (second !== undefined)
    throw usageError(`${found.length} job IDs begin with ${prefix}`, `pass more characters, such as ${first}`);
  return first;
}
