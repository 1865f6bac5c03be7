import { jobActionCommand } from "../calls/job-action.ts";

export const jobsRetry = jobActionCommand({
  verb: "retry",
  done: "queued for retry",
  description: "Run DEAD or CANCELLED jobs again. The failure count restarts at 0; attempt numbers continue.",
  needs: "only DEAD and CANCELLED jobs can be retried, and only SUSPENDED jobs woken",
  undoCondition: "that job was deleted, or retried since",
  allows: (state) => state === "DEAD" || state === "CANCELLED" || state === "SUSPENDED",
  call: (client, request) => client.jobs.retryJobs(request),
  examples: [
    { command: "reseolio jobs retry $ID", does: "retry a dead job" },
    {
      command: "reseolio jobs retry -s dead -f mail:send --created-after 1d --yes",
      does: "retry all that died in the last day",
    },
  ],
  notes: [
    "A SUSPENDED job given by its ID is woken: its handler is replayed and waits again for what has not happened yet. This is only needed if its code was changed or rolled back while it waited.",
    "A job whose steps are being undone can be retried once undoing has finished, and then starts from the beginning. If undoing failed, retry the undo job; reseolio jobs explain ID shows which one it is.",
  ],
});
