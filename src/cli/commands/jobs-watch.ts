import type { JobChange } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import type { Client } from "../../sdk/transport/client.ts";
import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { withReconnect } from "../calls/reconnect.ts";
import { defineCommand } from "../command.ts";
import { CliError } from "../exit.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { FILTER_FLAGS, type JobFilterInit, readFilter } from "../flags/job-filter.ts";
import { interruptible } from "../terminal/interrupt.ts";
import type { Listing, Output } from "../terminal/output.ts";
import { shortId } from "../text/job-id.ts";
import { stateName } from "../text/job-states.ts";
import { fromTimestamp, isoTime } from "../text/timestamps.ts";
import { errorJson, errorLine } from "../views/job-view.ts";
import { STATE_PAINT } from "../views/state-paint.ts";

export const jobsWatch = defineCommand({
  meta: { name: "jobs watch", description: "Follow jobs: print one line for each state change, until Ctrl-C." },
  args: { ...FILTER_FLAGS, ...FORMAT_FLAGS, ...CONNECTION_FLAGS },
  examples: [
    { command: "reseolio jobs watch", does: "every change, from now on" },
    { command: "reseolio jobs watch -s dead --jsonl", does: "jobs that become DEAD, for a program" },
  ],
  notes: [
    "Shows no earlier changes. Reconnects when the daemon restarts, but misses changes made in the meantime. Columns when piped: time, id, function, state, attempt, error. --json is the same as --jsonl here.",
  ],
  async run(context) {
    const { messages, output } = context;
    const filter = readFilter(context.flags, Date.now());
    await withClient(context, (client) =>
      interruptible(
        (signal) => withReconnect((alive) => follow(client, filter, output, signal, alive), { messages, signal }),
        () => "",
      ),
    );
  },
});

async function follow(
  client: Client,
  filter: JobFilterInit,
  output: Output,
  signal: AbortSignal,
  alive: () => void,
): Promise<void> {
  await client.daemon.getInfo({}, { signal });
  alive();
  for await (const { changes } of client.jobs.watchJobs({ filter }, { signal })) {
    await output.rows(changes, CHANGES);
    if (output.closed) return;
  }
  signal.throwIfAborted();
  throw new CliError("unreachable", "the daemon ended the stream");
}

const CHANGES: Listing<JobChange> = {
  name: "changes",
  columns: [
    {
      header: "TIME    ",
      value: (change) => isoTime(change.at) ?? "",
      short: (change) => localTime(fromTimestamp(change.at)),
    },
    { header: "ID                ", value: (change) => change.jobId, short: (change) => shortId(change.jobId) },
    { header: "FUNCTION                ", value: (change) => change.functionName },
    {
      header: "STATE    ",
      value: (change) => stateName(change.state),
      paint: (change) => STATE_PAINT[stateName(change.state)],
    },
    { header: "ATTEMPT", value: (change) => String(change.attempt), align: "right" },
    { header: "ERROR", value: (change) => errorLine(change.error) },
  ],
  json: (change) => ({
    at: isoTime(change.at),
    jobId: change.jobId,
    functionName: change.functionName,
    state: stateName(change.state),
    attempt: change.attempt,
    error: errorJson(change.error),
  }),
  id: (change) => change.jobId,
  empty: "",
};

function localTime(at: number | null): string {
  if (at === null) return "";
  const date = new Date(at);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}
