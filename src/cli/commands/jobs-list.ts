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
    limit: { type: "string", alias: "n", valueHint: "N", description: `Show at most this many [${DEFAULT_LIMIT}]` },
    all: { type: "boolean", alias: "a", description: "Show all, without a limit" },
    ...FORMAT_FLAGS,
    ...CONNECTION_FLAGS,
  },
  examples: [
    { command: "reseolio jobs list --state dead,running", does: "dead and running jobs" },
    { command: "reseolio jobs list -f mail:send --created-after 1h", does: "one function, in the last hour" },
    { command: "reseolio jobs list -s dead -q --all | reseolio jobs retry - --yes", does: "retry all dead jobs" },
  ],
  notes: [
    "Columns when piped: id, function, state, attempt, created, runs at, finished, error. reseolio jobs get shows arguments and results.",
  ],
  async run(context) {
    const { flags, messages, output } = context;
    const filter = readFilter(flags, Date.now());
    const given = numberFlag("limit", flags.limit, { min: 1, max: Number.MAX_SAFE_INTEGER, whole: true });
    if (flags.all && given !== undefined) throw usageError("use either --all or --limit, not both");
    const limit = flags.all ? Number.POSITIVE_INFINITY : (given ?? DEFAULT_LIMIT);
    // No hint for users who set a limit themselves.
    const onMore = (): void => {
      if (given === undefined) messages.info(`only the first ${limit} are shown; use --limit N or --all to see more`);
    };
    const count = await withClient(context, (client) =>
      output.list(listJobs(client, filter, limit, onMore), JOB_LISTING),
    );
    if (count === 0 && output.format === "table") messages.info(JOB_LISTING.empty);
  },
});
