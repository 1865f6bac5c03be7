import type { SendSignalResponse } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { resolveJobIds } from "../calls/resolve-job-ids.ts";
import { defineCommand } from "../command.ts";
import { usageError } from "../exit.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { PAYLOAD_FLAG, readPayload } from "../flags/payload-flag.ts";
import type { RecordView } from "../terminal/output.ts";
import { checkJobId } from "../text/job-id.ts";

export const jobsSignal = defineCommand({
  meta: {
    name: "jobs signal",
    description: "Send a signal to an unfinished job. Its next wait for a signal of that name takes it.",
  },
  args: {
    payload: { ...PAYLOAD_FLAG.payload, description: "Payload for the job: JSON, @FILE, or - for stdin [null]" },
    "signal-id": {
      type: "string",
      valueHint: "UUID",
      description: "ID of the signal, a version 7 UUID; sending the same ID again has no effect [a new one]",
    },
    ...FORMAT_FLAGS,
    ...CONNECTION_FLAGS,
  },
  operands: [
    { name: "ID", description: "Job ID, or its first characters", required: true },
    { name: "NAME", description: "The signal's name, as the job awaits it", required: true },
  ],
  examples: [
    { command: `reseolio jobs signal $ID approved --payload '{"by": "Ada"}'`, does: "with a payload" },
    { command: "review-order | reseolio jobs signal $ID reviewed --payload -", does: "with a payload from a program" },
  ],
  notes: [
    "Signals of one name are kept in order. Each is taken by one wait of the job, even if the wait starts later. Exit codes: 3 there is no such job, 8 it has finished.",
  ],
  async run(context) {
    const { flags, messages, operands, output } = context;
    const id = checkJobId(operands[0] ?? "");
    const name = signalName(operands[1] ?? "");
    const payload = await readPayload(flags.payload, (line) => messages.info(line));
    await withClient(context, async (client) => {
      const [jobId = id] = await resolveJobIds(client, [id]);
      const sent = await client.jobs.sendSignal({ jobId, name, payload, signalId: flags["signal-id"] ?? "" });
      await output.record(sentSignalRecord(jobId, name, sent));
    });
  },
});

/** @throws CliError `usage` */
function signalName(text: string): string {
  if (text.trim() !== "") return text;
  throw usageError("the signal's name is empty", 'use a name such as "approved"');
}

function sentSignalRecord(jobId: string, name: string, { signalId, taken }: SendSignalResponse): RecordView {
  return {
    id: signalId,
    json: { jobId, name, signalId, taken },
    fields: [
      { label: "job", value: jobId },
      { label: "name", value: name },
      { label: "signal id", value: signalId },
      { label: "taken", value: String(taken), short: taken ? "yes" : "no: kept until the job waits for it" },
    ],
  };
}
