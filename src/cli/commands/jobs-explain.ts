import type { ExplainJobResponse } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { resolveJobIds } from "../calls/resolve-job-ids.ts";
import { defineCommand } from "../command.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import type { RecordView } from "../terminal/output.ts";
import { checkJobId } from "../text/job-id.ts";
import { stateName } from "../text/job-states.ts";
import { jobSummaryJson } from "../views/job-view.ts";

export const jobsExplain = defineCommand({
  meta: { name: "jobs explain", description: "Explain why a job is not running, or not finished." },
  args: { ...FORMAT_FLAGS, ...CONNECTION_FLAGS },
  operands: [{ name: "ID", description: "Job ID, or its first characters", required: true }],
  examples: [{ command: "reseolio jobs explain $ID", does: "what holds it back, most important first" }],
  async run(context) {
    const id = checkJobId(context.operands[0] ?? "");
    await withClient(context, async (client) => {
      const [jobId = id] = await resolveJobIds(client, [id]);
      await context.output.record(explanation(await client.jobs.explainJob({ jobId }), jobId));
    });
  },
});

function explanation({ job, blockers, summary }: ExplainJobResponse, jobId: string): RecordView {
  const texts = blockers.map((blocker) => `${blocker.kind}: ${blocker.message}`);
  return {
    id: jobId,
    json: {
      job: job === undefined ? null : jobSummaryJson(job),
      summary,
      blockers: blockers.map(({ kind, message }) => ({ kind, message })),
    },
    fields: [
      { label: "id", value: jobId },
      { label: "function", value: job?.functionName },
      { label: "state", value: job === undefined ? undefined : stateName(job.state) },
      { label: "why", value: summary },
      { label: "blockers", value: texts.length === 0 ? undefined : texts.join("\n") },
    ],
  };
}
