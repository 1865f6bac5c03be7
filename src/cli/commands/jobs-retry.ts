import { actCommand } from "../calls/act-on-jobs.ts";

export const jobsRetry = actCommand({
  verb: "retry",
  done: "made pending again",
  description: "Run DEAD or CANCELLED jobs again: failures count from 0, attempt numbers go on.",
  needs: "only DEAD and CANCELLED jobs can be retried, and SUSPENDED ones woken",
  needsOfUndo: "that job is gone, or was retried since",
  allows: (state) => state === "DEAD" || state === "CANCELLED" || state === "SUSPENDED",
  call: (client, request) => client.jobs.retryJobs(request),
  examples: [
    { command: "reseolio jobs retry $ID", does: "run a dead job again" },
    { command: "reseolio jobs retry -s dead -f mail:send --created-after 1d --yes", does: "all of a day" },
  ],
  notes: [
    "A SUSPENDED job that is named is woken: its handler is replayed, and waits again for what has not happened. Needed only when its code was changed, or rolled back, while it waited.",
    "A job whose steps are being undone can be retried when that has ended, and then starts from nothing. If undoing failed, retry the job that undoes: reseolio jobs explain ID names it.",
  ],
});
