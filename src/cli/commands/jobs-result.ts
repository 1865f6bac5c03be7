import type { Job } from "#proto/gen/reseolio/v1/job_pb.ts";
import { awaitJobs, jobFailure, printResult, readWaitTimeout, WAIT_FLAGS } from "../calls/await-jobs.ts";
import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { resolveJobIds } from "../calls/resolve-job-ids.ts";
import { defineCommand } from "../command.ts";
import { CliError, usageError } from "../exit.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import type { Output } from "../terminal/output.ts";
import { checkJobId } from "../text/job-id.ts";
import { isTerminal, stateName } from "../text/job-states.ts";

export const jobsResult = defineCommand({
  meta: { name: "jobs result", description: "Print the result of a job that succeeded." },
  args: {
    wait: { type: "boolean", description: "Wait until the job has finished" },
    ...WAIT_FLAGS,
    json: FORMAT_FLAGS.json,
    raw: FORMAT_FLAGS.raw,
    ...CONNECTION_FLAGS,
  },
  operands: [{ name: "ID", description: "Job ID, or its first characters", required: true }],
  examples: [
    { command: "reseolio jobs result $ID", does: "its result, as JSON" },
    { command: "reseolio jobs result $ID --wait --wait-timeout 1m", does: "wait for it first" },
  ],
  notes: [
    "Prints the result as the handler returned it; --json prints the job with its arguments. Exit codes: 1 the job has not finished, 7 it is DEAD or CANCELLED and its error is on stderr.",
  ],
  async run(context) {
    const { flags, output, messages } = context;
    const id = checkJobId(context.operands[0] ?? "");
    if (flags["wait-timeout"] !== undefined && !flags.wait) throw usageError("--wait-timeout requires --wait");
    const timeoutMs = readWaitTimeout(flags["wait-timeout"]);
    await withClient(context, async (client) => {
      const [jobId = id] = await resolveJobIds(client, [id]);
      if (flags.wait)
        return awaitJobs(client, [jobId], { messages, timeoutMs, onFinished: (job) => show(output, job) });
      const { job } = await client.jobs.getJob({ jobId });
      if (job === undefined) throw new CliError("not_found", `there is no job ${jobId}`);
      await show(output, job);
    });
  },
});

async function show(output: Output, job: Job): Promise<true> {
  const state = stateName(job.state);
  if (!isTerminal(state)) {
    throw new CliError("failed", `job ${job.jobId} is ${state}: it has no result yet`, {
      hint: "use --wait to wait for it",
    });
  }
  if (state !== "SUCCESS") throw jobFailure(job);
  await printResult(output, job);
  return true;
}
