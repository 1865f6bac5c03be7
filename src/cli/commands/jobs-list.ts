import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { listJobs } from "../calls/list-jobs.ts";
import { defineCommand } from "../command.ts";
import { usageError } from "../exit.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { FILTER_FLAGS, readFilter } from "../flags/job-filter.ts";
import { numberFlag } from "../flags/parse-flag.ts";
import { JOB_LISTING } from "../views/job-view.ts";

const DEFAULT_LIMIT = 50;

export const jobsList = defineCommand({
  meta: { name: "jobs list", description: "List jobs, newest first." },
  args: {
    ...FILTER_FLAGS,
    limit: { type: "string", alias: "n", valueHint: "N", description: `At most this many [${DEFAULT_LIMIT}]` },
    all: { type: "boolean", alias: "a", description: "Without a limit" },
    ...FORMAT_FLAGS,
    ...CONNECTION_FLAGS,
  },
  examples: [
    { command: "reseolio jobs list --state dead,running", does: "dead and running jobs" },
    { command: "reseolio jobs list -f mail:send --created-after 1h", does: "one function, the last hour" },
    { command: "reseolio jobs list -s dead -q --all | reseolio jobs retry - --yes", does: "run all dead jobs again" },
  ],
  notes: [
    "Columns in a pipe: id, function, state, attempt, created, runs at, finished, error. Arguments and results are in reseolio jobs get.",
  ],
  async run(context) {
    const { flags, messages, output } = context;
    const filter = readFilter(flags, Date.now());
    const given = numberFlag("limit", flags.limit, { min: 1, max: Number.MAX_SAFE_INTEGER, whole: true });
    if (flags.all && given !== undefined) throw usageError("--all and --limit exclude each other");
    const limit = flags.all ? Number.POSITIVE_INFINITY : (given ?? DEFAULT_LIMIT);
    // Whoever gave a limit knows.
    const onMore = (): void => {
      if (given === undefined) messages.info(`there are more than these ${limit}; --limit N or --all shows them`);
    };
    const count = await withClient(context, (client) =>
      output.list(listJobs(client, filter, limit, onMore), JOB_LISTING),
    );
    if (count === 0 && output.format === "table") messages.info(JOB_LISTING.empty);
  },
});
