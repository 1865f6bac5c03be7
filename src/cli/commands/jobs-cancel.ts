import { actCommand } from "../calls/act-on-jobs.ts";
import { isTerminal } from "../text/job-states.ts";

export const jobsCancel = actCommand({
  verb: "cancel",
  done: "cancelled",
  description: "Cancel jobs: final at once; a running handler is told to stop, and children are cancelled too.",
  needs: "only jobs that have not ended can be cancelled",
  allows: (state) => !isTerminal(state),
  call: (client, request) => client.jobs.cancelJobs(request),
  examples: [
    { command: "reseolio jobs cancel $ID", does: "cancel one job" },
    { command: "reseolio jobs cancel -f mail:send -s pending --dry-run", does: "see what a filter would cancel" },
    { command: "reseolio jobs list -f mail:send -q | reseolio jobs cancel - --yes", does: "ids from another command" },
  ],
  notes: [],
});
