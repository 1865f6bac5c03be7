import { defineCommand } from "../command.ts";
import { CONNECTION_FLAGS, withClient } from "../connection.ts";
import { CliError } from "../exit.ts";
import { checkJobId, resolveJobIds } from "../job-id.ts";
import { jobSheet } from "../job-view.ts";
import { FORMAT_FLAGS } from "../output.ts";

export const jobsGet = defineCommand({
  meta: { name: "jobs get", description: "Show everything about a job: arguments, result, options, attempts." },
  args: { ...FORMAT_FLAGS, ...CONNECTION_FLAGS },
  operands: [{ name: "ID", description: "The job's id, or its first characters", required: true }],
  examples: [
    { command: "reseolio jobs get 019aa6cf-8e4b-7d2a", does: "a job, by the first characters of its id" },
    { command: "reseolio jobs get $ID --json | jq .error", does: "for a program" },
  ],
  notes: ["In a pipe without --json: one line a field, its name, a tab, its value."],
  async run(context) {
    const id = checkJobId(context.operands[0] ?? "");
    await withClient(context, async (client) => {
      const [jobId = id] = await resolveJobIds(client, [id]);
      const { job } = await client.jobs.getJob({ jobId });
      if (job === undefined) throw new CliError("not_found", `no job has the id ${jobId}`);
      await context.output.sheet(jobSheet(job, Date.now()));
    });
  },
});
