import { actCommand } from "../calls/act-on-jobs.ts";

export const jobsRetry = actCommand({
  verb: "retry",
  done: "made pending again",
  description: "Run DEAD or CANCELLED jobs again: failures count from 0, attempt numbers go on.",
  needs: "only DEAD and CANCELLED jobs can be retried",
  call: (client, request) => client.jobs.retryJobs(request),
  examples: [
    { command: "reseolio jobs retry $ID", does: "run a dead job again" },
    { command: "reseolio jobs retry -s dead -f mail:send --created-after 1d --yes", does: "all of a day" },
  ],
  notes: [],
});
