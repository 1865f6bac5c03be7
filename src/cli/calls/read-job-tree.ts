import type { Job } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Client } from "../../sdk/transport/client.ts";
import type { JobNode } from "../views/job-tree.ts";

/** Limits of a tree, so that a job with a million children can be shown. */
export interface TreeBounds {
  /** Levels below the job. */
  readonly depth: number;
  /** Maximum number of children to read per job; the newest ones are read. */
  readonly width: number;
}

/** Number of jobs whose children are read at once; the tree is read level by level. */
const AT_ONCE = 16;

/** Reads the tree below a job. Children stored while this runs may be missing. */
export async function readJobTree(client: Client, root: Job, bounds: TreeBounds): Promise<JobNode> {
  return (await readNodes(client, [root], bounds, bounds.depth))[0] ?? { job: root, children: [], hasMore: false };
}

async function readNodes(
  client: Client,
  jobs: readonly Job[],
  bounds: TreeBounds,
  depth: number,
): Promise<readonly JobNode[]> {
  const families = await inSlices(jobs, (job) => readChildren(client, job, bounds.width, depth));
  const below = families.flatMap((family) => family.children);
  const nodes = below.length === 0 ? [] : await readNodes(client, below, bounds, depth - 1);
  let offset = 0;
  return families.map(({ job, children, hasMore }) => {
    const own = nodes.slice(offset, (offset += children.length));
    return { job, children: own, hasMore };
  });
}

interface Family {
  readonly job: Job;
  readonly children: readonly Job[];
  readonly hasMore: boolean;
}

async function readChildren(client: Client, job: Job, width: number, depth: number): Promise<Family> {
  const limit = depth === 0 ? 0 : width;
  const children: Job[] = [];
  let pageToken = "";
  do {
    // One extra child shows whether there are more. A page may be empty without being the last one.
    const pageSize = limit + 1 - children.length;
    const page = await client.jobs.listJobs({ filter: { parentId: job.jobId }, pageSize, pageToken });
    children.push(...page.jobs);
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && children.length <= limit);
  return { job, children: children.slice(0, limit).reverse(), hasMore: children.length > limit };
}

async function inSlices<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += AT_ONCE) {
    results.push(...(await Promise.all(items.slice(start, start + AT_ONCE).map(work))));
  }
  return results;
}
