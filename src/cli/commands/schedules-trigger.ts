import type { Client } from "../../sdk/transport/client.ts";
import { awaitJobs, jobFailure, printResult, readWaitTimeout, WAIT_FLAGS } from "../calls/await-jobs.ts";
import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { withRetries } from "../calls/enqueue.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { usageError } from "../exit.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { checkScheduleName } from "../flags/schedule-flags.ts";
import { stateName } from "../text/job-states.ts";
import { endedJobJson } from "../views/job-view.ts";

const FLAGS = {
  wait: { type: "boolean", description: "Wait until the job has finished and print its result" },
  ...WAIT_FLAGS,
  json: FORMAT_FLAGS.json,
  quiet: FORMAT_FLAGS.quiet,
  raw: FORMAT_FLAGS.raw,
  ...CONNECTION_FLAGS,
} as const;

type Context = CommandContext<typeof FLAGS>;

export const schedulesTrigger = defineCommand({
  meta: {
    name: "schedules trigger",
    description:
      "Enqueue one job for a schedule now, in addition to its ticks. Prints the job's ID, or with --wait its result.",
  },
  args: FLAGS,
  operands: [{ name: "NAME", description: "Schedule name", required: true }],
  examples: [
    { command: "reseolio schedules trigger daily-report", does: "run it once, now" },
    { command: "reseolio schedules trigger daily-report --wait", does: "run it once and see the result" },
  ],
  notes: [
    "Also works for paused schedules. Exit codes: 3 there is no schedule of this name, 6 the wait timed out, 7 the job is DEAD or CANCELLED.",
  ],
  async run(context) {
    const { flags, output } = context;
    const name = checkScheduleName(context.operands[0] ?? "");
    if (flags["wait-timeout"] !== undefined && !flags.wait) throw usageError("--wait-timeout requires --wait");
    const timeoutMs = readWaitTimeout(flags["wait-timeout"]);
    await withClient(context, async (client) => {
      // The ID is chosen here, so a retried call enqueues nothing new.
      const chosen = Bun.randomUUIDv7();
      const answer = await withRetries(() => client.schedules.triggerSchedule({ name, jobId: chosen }));
      const jobId = answer.jobId === "" ? chosen : answer.jobId;
      if (flags.wait) return awaitResult(context, client, jobId, timeoutMs);
      return output.isJson ? output.document({ jobId, schedule: name }) : output.text(`${jobId}\n`);
    });
  },
});

async function awaitResult(
  { messages, output }: Context,
  client: Client,
  jobId: string,
  timeoutMs: number | null,
): Promise<void> {
  await awaitJobs(client, [jobId], {
    messages,
    timeoutMs,
    wasAlive: true,
    onFinished: async (finished) => {
      if (stateName(finished.state) !== "SUCCESS") {
        if (output.isJson) await output.document(endedJobJson(finished));
        throw jobFailure(finished);
      }
      await printResult(output, finished);
      return true;
    },
  });
}
