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
  meta: { name: "jobs wait", description: "Wait until jobs have ended; one line for each as it ends." },
  args: { ...WAIT_FLAGS, ...FORMAT_FLAGS, ...CONNECTION_FLAGS },
  operands: [
    { name: "ID", description: "Ids or their first characters; - reads them from stdin", required: true, repeat: true },
  ],
  examples: [
    { command: "reseolio jobs wait $ID --wait-timeout 5m", does: "wait for one job, five minutes at most" },
    {
      command: "reseolio jobs enqueue --jsonl calls.jsonl -q | reseolio jobs wait -",
      does: "everything just enqueued",
    },
  ],
  notes: [
    "Exit codes: 0 all succeeded, 7 one is DEAD or CANCELLED, 6 the time is over, 3 an id is unknown, 130 Ctrl-C. The jobs go on after 6 and 130. --json is one document a line here, since jobs end one by one, with arguments and result.",
  ],
  async run(context) {
    const { flags, output, messages } = context;
    const timeoutMs = readWaitTimeout(flags["wait-timeout"]);
    const ids = await readIds(context.operands, messages);
    const failed: Job[] = [];
    const progress = messages.progress("ended", ids.length);
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
