import type { Job } from "#proto/gen/reseolio/v1/job_pb.ts";
import { awaitJobs, jobFailure, readWaitTimeout, WAIT_FLAGS } from "../calls/await-jobs.ts";
import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { resolveJobIds } from "../calls/resolve-job-ids.ts";
import { defineCommand } from "../command.ts";
import { CliError } from "../exit.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { readIds } from "../flags/read-ids.ts";
import { stateName } from "../text/job-states.ts";
import { endedJobJson, JOB_LISTING } from "../views/job-view.ts";

export const jobsWait = defineCommand({
  meta: { name: "jobs wait", description: "Wait until jobs have finished; print one line for each as it finishes." },
  args: { ...WAIT_FLAGS, ...FORMAT_FLAGS, ...CONNECTION_FLAGS },
  operands: [
    {
      name: "ID",
      description: "Job IDs or their first characters; - reads them from stdin",
      required: true,
      repeat: true,
    },
  ],
  examples: [
    { command: "reseolio jobs wait $ID --wait-timeout 5m", does: "wait for one job, for at most five minutes" },
    {
      command: "reseolio jobs enqueue --jsonl calls.jsonl -q | reseolio jobs wait -",
      does: "wait for all jobs just enqueued",
    },
  ],
  notes: [
    "Exit codes: 0 all succeeded, 3 an ID is unknown, 6 timed out, 7 at least one is DEAD or CANCELLED, 130 interrupted by Ctrl-C. After 6 and 130 the jobs continue. Because jobs finish one by one, --json prints one document per line, with arguments and result.",
  ],
  async run(context) {
    const { flags, output, messages } = context;
    const timeoutMs = readWaitTimeout(flags["wait-timeout"]);
    const ids = await readIds(context.operands, messages);
    const failed: Job[] = [];
    const progress = messages.progress("finished", ids.length);
    let ended = 0;
    await withClient(context, async (client) => {
      const jobIds = await resolveJobIds(client, ids);
      await awaitJobs(client, jobIds, {
        messages,
        timeoutMs,
        onFinished: async (job) => {
          if (stateName(job.state) !== "SUCCESS") failed.push(job);
          progress.update(++ended);
          await output.rows([job], { ...JOB_LISTING, json: endedJobJson });
          return !output.closed;
        },
      });
    }).finally(() => progress.end());
    const [first] = failed;
    if (first !== undefined && failed.length === 1) throw jobFailure(first);
    if (first !== undefined) {
      throw new CliError("job_failed", `${failed.length} of ${ids.length} jobs are DEAD or CANCELLED`, {
        hint: `the first is ${first.jobId}; reseolio jobs get shows its error`,
      });
    }
  },
});
