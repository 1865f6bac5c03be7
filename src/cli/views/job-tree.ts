/** The tree of a job and its child jobs, as printed by `jobs get --tree`. */
import type { Job } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Listing } from "../terminal/output.ts";
import { relativeTime } from "../text/instant.ts";
import { shortId } from "../text/job-id.ts";
import { stateName } from "../text/job-states.ts";
import { fromTimestamp, isoTime } from "../text/timestamps.ts";
import { errorLine, functionText, jobSummaryJson } from "./job-view.ts";
import { STATE_PAINT } from "./state-paint.ts";

export interface JobNode {
  readonly job: Job;
  /** Oldest first. */
  readonly children: readonly JobNode[];
  /** Whether there are more children than `children`. */
  readonly hasMore: boolean;
}

/** The tree as nested JSON: the summary of each job with its children. */
export function treeJson(node: JobNode): Record<string, unknown> {
  return { ...jobSummaryJson(node.job), children: node.children.map(treeJson), hasMoreChildren: node.hasMore };
}

/** One line of a printed tree. */
export interface TreeRow {
  readonly job: Job;
  readonly depth: number;
  /** Branches in front of the function name, on a terminal. */
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
