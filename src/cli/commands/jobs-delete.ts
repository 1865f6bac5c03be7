import { actCommand } from "../calls/act-on-jobs.ts";

export const jobsDelete = actCommand({
  verb: "delete",
  done: "deleted",
  description: "Delete jobs that have ended, with their attempts. They are gone for good, and so are their keys.",
  needs: "only jobs that have ended can be deleted; cancel it first",
  call: (client, request) => client.jobs.deleteJobs(request),
  examples: [
    { command: "reseolio jobs delete $ID", does: "forget an ended job" },
    { command: "reseolio jobs delete -s success --created-before 30d --dry-run", does: "count the old ones" },
  ],
  notes: [],
});
