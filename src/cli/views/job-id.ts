import type { Client } from "../../sdk/transport/client.ts";
import { CliError, usageError } from "../exit.ts";
import { toTimestamp } from "./timestamps.ts";

const WHOLE = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const SHORT_LENGTH = 18;
const SHORTEST = 13;

/** How an id is shown to people: its time and its counter, which tell apart what one process enqueued. */
export function shortId(jobId: string): string {
  return jobId.slice(0, SHORT_LENGTH);
}

/** @throws CliError `usage` when the text can be no job id and no start of one */
export function checkJobId(text: string): string {
  const id = text.trim().toLowerCase();
  if (WHOLE.test(id) || isPrefix(id)) return id;
  throw usageError(
    `${JSON.stringify(text)} is no job id`,
    "give a whole id, or at least its first 13 characters as reseolio jobs list shows them",
  );
}

function isPrefix(id: string): boolean {
  const sample = "00000000-0000-0000-0000-000000000000";
  return id.length >= SHORTEST && id.length < sample.length && WHOLE.test(id + sample.slice(id.length));
}

/**
 * Whole ids for ids and their first characters. A whole id is not looked up.
 *
 * @throws CliError `not_found` when no job begins like that, `usage` when several do
 */
export async function resolveJobIds(client: Client, ids: readonly string[]): Promise<string[]> {
  const whole: string[] = [];
  for (const id of ids) whole.push(WHOLE.test(id) ? id : await findByPrefix(client, id));
  return whole;
}

// A job's id carries the time of its making, so its record is close by in time.
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
    throw new CliError("not_found", `no job's id begins with ${prefix}`, {
      hint: "give the whole id; reseolio jobs list -q prints whole ids",
    });
  }
  if (second !== undefined)
    throw usageError(`${found.length} jobs begin with ${prefix}`, `give more of it, such as ${first}`);
  return first;
}
