import { actCommand } from "../calls/act-on-jobs.ts";
import { isTerminal } from "../text/job-states.ts";

export const jobsDelete = actCommand({
  verb: "delete",
  done: "deleted",
  description: "Delete jobs that have ended, with their attempts. They are gone for good, and so are their keys.",
  needs: "only jobs that have ended can be deleted; cancel it first",
  needsOfUndo: "it can be deleted with that job, or after it",
  allows: isTerminal,
  call: (client, request) => client.jobs.deleteJobs(request),
  examples: [
    { command: "reseolio jobs delete $ID", does: "forget an ended job" },
    { command: "reseolio jobs delete -s success --created-before 30d --dry-run", does: "count the old ones" },
  ],
  notes: [
    "A job whose steps are being undone stays until that has ended; the job that undid them stays as long as it, unless both are deleted together. Where undoing failed, or was cancelled half-way, only both can be deleted.",
  ],
});
