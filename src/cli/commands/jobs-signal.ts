import type { SendSignalResponse } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { resolveJobIds } from "../calls/resolve-job-ids.ts";
import { defineCommand } from "../command.ts";
import { usageError } from "../exit.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { PAYLOAD_FLAG, readPayload } from "../flags/payload-flag.ts";
import type { Sheet } from "../terminal/output.ts";
import { checkJobId } from "../text/job-id.ts";

export const jobsSignal = defineCommand({
  meta: {
    name: "jobs signal",
    description: "Send a signal to a job that has not ended: its next wait for that name takes it.",
  },
  args: {
    payload: { ...PAYLOAD_FLAG.payload, description: "What the job gets: JSON, @FILE, or - for stdin [null]" },
    "signal-id": {
      type: "string",
      valueHint: "UUID",
      description: "Id of the signal, of version 7: the same one again sends nothing new [a new one]",
    },
    ...FORMAT_FLAGS,
    ...CONNECTION_FLAGS,
  },
  operands: [
    { name: "ID", description: "The job's id, or its first characters", required: true },
    { name: "NAME", description: "The signal's name, as the job awaits it", required: true },
  ],
  examples: [
    { command: `reseolio jobs signal $ID approved --payload '{"by": "Ada"}'`, does: "with a payload" },
    { command: "review-order | reseolio jobs signal $ID reviewed --payload -", does: "the payload from a program" },
  ],
  notes: [
    "Signals of one name are kept in their order, and each is given to one wait of the job, whether it was sent before or after. Exit codes: 3 no such job, 8 it has ended.",
  ],
  async run(context) {
    const { flags, messages, operands, output } = context;
    const id = checkJobId(operands[0] ?? "");
    const name = signalName(operands[1] ?? "");
    const payload = await readPayload(flags.payload, (line) => messages.info(line));
    await withClient(context, async (client) => {
      const [jobId = id] = await resolveJobIds(client, [id]);
      const sent = await client.jobs.sendSignal({ jobId, name, payload, signalId: flags["signal-id"] ?? "" });
      await output.sheet(sentSheet(jobId, name, sent));
    });
  },
});

/** @throws CliError `usage` */
function signalName(text: string): string {
  if (text.trim() !== "") return text;
  throw usageError("the signal's name is empty", 'give a name such as "approved"');
}

function sentSheet(jobId: string, name: string, { signalId, taken }: SendSignalResponse): Sheet {
  return {
    id: signalId,
    json: { jobId, name, signalId, taken },
    fields: [
      { label: "job", value: jobId },
      { label: "name", value: name },
      { label: "signal id", value: signalId },
      { label: "taken", value: String(taken), short: taken ? "yes" : "no: kept until the job awaits it" },
    ],
  };
}
