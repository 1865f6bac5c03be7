import { jobActionCommand } from "../calls/job-action.ts";
import { isTerminal } from "../text/job-states.ts";

export const jobsDelete = jobActionCommand({
  verb: "delete",
  done: "deleted",
  description: "Permanently delete finished jobs with their attempts and idempotency keys.",
  needs: "only finished jobs can be deleted; cancel it first",
  undoCondition: "it can only be deleted together with that job, or after it",
  allows: isTerminal,
  call: (client, request) => client.jobs.deleteJobs(request),
  examples: [
    { command: "reseolio jobs delete $ID", does: "delete a finished job" },
    { command: "reseolio jobs delete -s success --created-before 30d --dry-run", does: "count the old ones" },
  ],
  notes: [
    "A job whose steps are being undone cannot be deleted until its undo job has finished, and an undo job cannot be deleted before the job that it undoes. If undoing failed or was cancelled, delete both together.",
  ],
});
