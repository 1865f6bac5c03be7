import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { readJobTree, type TreeBounds } from "../calls/read-job-tree.ts";
import { resolveJobIds } from "../calls/resolve-job-ids.ts";
import { defineCommand } from "../command.ts";
import { CliError, usageError } from "../exit.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { numberFlag } from "../flags/parse-flag.ts";
import { onePage } from "../terminal/one-page.ts";
import type { Output } from "../terminal/output.ts";
import { checkJobId } from "../text/job-id.ts";
import { type JobNode, TREE_LISTING, treeJson, treeRows } from "../views/job-tree.ts";
import { jobRecord } from "../views/job-view.ts";

export const jobsGet = defineCommand({
  meta: { name: "jobs get", description: "Show everything about a job: arguments, result, options, attempts." },
  args: {
    tree: {
      type: "boolean",
      description: "Show the tree of jobs that it called, with their states",
    },
    depth: { type: "string", valueHint: "N", description: "Levels of the tree below the job [10]" },
    width: { type: "string", valueHint: "N", description: "Children to show per job, newest first [50]" },
    ...FORMAT_FLAGS,
    ...CONNECTION_FLAGS,
  },
  operands: [{ name: "ID", description: "Job ID, or its first characters", required: true }],
  examples: [
    { command: "reseolio jobs get 019aa6cf-8e4b-7d2a", does: "a job, by the first characters of its ID" },
    { command: "reseolio jobs get $ID --tree", does: "the jobs that its handler called, with their states" },
    { command: "reseolio jobs get $ID --json | jq .error", does: "for a program" },
  ],
  notes: [
    "In a pipe without --json, prints one line per field: name, tab, value. A tree has one line per job: depth, function, state, id, attempt, finished, error; with --json it is one document with nested children.",
  ],
  async run(context) {
    const id = checkJobId(context.operands[0] ?? "");
    const bounds = readBounds(context.flags);
    await withClient(context, async (client) => {
      const [jobId = id] = await resolveJobIds(client, [id]);
      const { job } = await client.jobs.getJob({ jobId });
      if (job === undefined) throw new CliError("not_found", `there is no job ${jobId}`);
      if (bounds === null) await context.output.record(jobRecord(job, Date.now()));
      else await showTree(context.output, await readJobTree(client, job, bounds));
    });
  },
});

const DEFAULT_DEPTH = 10;
const DEFAULT_WIDTH = 50;

/** Null without --tree. */
function readBounds(flags: {
  readonly tree: boolean;
  readonly depth: string | undefined;
  readonly width: string | undefined;
}): TreeBounds | null {
  const depth = numberFlag("depth", flags.depth, { min: 0, max: 100, whole: true });
  const width = numberFlag("width", flags.width, { min: 1, max: 999, whole: true });
  if (flags.tree) return { depth: depth ?? DEFAULT_DEPTH, width: width ?? DEFAULT_WIDTH };
  if (depth === undefined && width === undefined) return null;
  throw usageError(`--${depth === undefined ? "width" : "depth"} requires --tree`);
}

async function showTree(output: Output, root: JobNode): Promise<void> {
  if (output.format === "json") return output.document(treeJson(root));
  // On a terminal the branches show the depth.
  const listing =
    output.format === "table" ? { ...TREE_LISTING, columns: TREE_LISTING.columns.slice(1) } : TREE_LISTING;
  await output.list(onePage(treeRows(root)), listing);
}
