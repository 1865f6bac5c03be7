/** A job with the jobs that were called inside its handler, and so on: what `jobs get --tree` shows. */
import type { Job } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Client } from "../../sdk/transport/client.ts";
import { relativeTime } from "./instant.ts";
import { STATE_PAINT, stateName } from "./job-states.ts";
import { errorLine, functionText, jobSummaryJson } from "./job-view.ts";
import { shortId } from "./job-id.ts";
import type { Listing } from "../terminal/output.ts";
import { fromTimestamp, isoTime } from "./timestamps.ts";

/** Bounds of a tree, so that a job with a million children can be looked at. */
export interface TreeBounds {
  /** Levels below the job. */
  readonly depth: number;
  /** Children shown of one job; of more, the newest. */
  readonly width: number;
}

export interface JobNode {
  readonly job: Job;
  /** Oldest first. */
  readonly children: readonly JobNode[];
  /** There are children that are not in `children`. */
  readonly hasMore: boolean;
}

/** Children are asked for one level at a time, this many jobs at once. */
const AT_ONCE = 16;

/** Reads the tree below a job. A child that is stored while this runs may be missing. */
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
    // One more than is shown tells whether there are more; a page may be empty and still not the last.
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

/** A tree as nested JSON: a job's summary with its children. */
export function treeJson(node: JobNode): Record<string, unknown> {
  return { ...jobSummaryJson(node.job), children: node.children.map(treeJson), hasMoreChildren: node.hasMore };
}

/** A line of the tree as it is drawn. */
export interface TreeRow {
  readonly job: Job;
  readonly depth: number;
  /** Branches before the function's name, for people. */
  readonly branch: string;
  readonly hasMore: boolean;
}

/** Parents before children. */
export function treeRows(node: JobNode): readonly TreeRow[] {
  return rowsBelow(node, 0, "", "");
}

function rowsBelow(node: JobNode, depth: number, branch: string, indent: string): readonly TreeRow[] {
  const rows: TreeRow[] = [{ job: node.job, depth, branch, hasMore: node.hasMore }];
  for (const [index, child] of node.children.entries()) {
    const isLast = index === node.children.length - 1;
    const [mark, below] = isLast ? ["└─ ", "   "] : ["├─ ", "│  "];
    rows.push(...rowsBelow(child, depth + 1, indent + mark, indent + below));
  }
  return rows;
}

export const TREE_LISTING: Listing<TreeRow> = {
  name: "jobs",
  columns: [
    { header: "DEPTH", value: ({ depth }) => String(depth) },
    {
      header: "FUNCTION",
      value: ({ job }) => job.functionName,
      short: ({ branch, job, hasMore }) => `${branch}${functionText(job)}${hasMore ? " (and more)" : ""}`,
    },
    {
      header: "STATE",
      value: ({ job }) => stateName(job.state),
      paint: ({ job }) => STATE_PAINT[stateName(job.state)],
    },
    { header: "ID", value: ({ job }) => job.jobId, short: ({ job }) => shortId(job.jobId) },
    { header: "ATTEMPT", value: ({ job }) => String(job.attempt), align: "right" },
    {
      header: "FINISHED",
      value: ({ job }) => isoTime(job.finishedAt) ?? "",
      short: ({ job }, now) => {
        const at = fromTimestamp(job.finishedAt);
        return at === null ? "" : relativeTime(at, now);
      },
    },
    { header: "ERROR", value: ({ job }) => errorLine(job.error) },
  ],
  json: ({ job, depth }) => ({ depth, ...jobSummaryJson(job) }),
  id: ({ job }) => job.jobId,
  empty: "",
};
