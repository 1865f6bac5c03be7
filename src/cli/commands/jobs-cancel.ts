import { jobActionCommand } from "../calls/job-action.ts";
import { isTerminal } from "../text/job-states.ts";

export const jobsCancel = jobActionCommand({
  verb: "cancel",
  done: "cancelled",
  description: "Cancel jobs and their children. Takes effect at once; running handlers are asked to stop.",
  needs: "only unfinished jobs can be cancelled",
  allows: (state) => !isTerminal(state),
  call: (client, request) => client.jobs.cancelJobs(request),
  examples: [
    { command: "reseolio jobs cancel $ID", does: "cancel one job" },
    { command: "reseolio jobs cancel -f mail:send -s pending --dry-run", does: "see what a filter would cancel" },
    { command: "reseolio jobs list -f mail:send -q | reseolio jobs cancel - --yes", does: "IDs from another command" },
  ],
  notes: [],
});
