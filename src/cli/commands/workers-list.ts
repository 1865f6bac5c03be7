import type { Worker } from "#proto/gen/reseolio/v1/daemon_service_pb.ts";
import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { defineCommand } from "../command.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import type { Paint } from "../terminal/color.ts";
import { onePage } from "../terminal/one-page.ts";
import type { Listing } from "../terminal/output.ts";
import { relativeTime } from "../text/instant.ts";
import { fromTimestamp, isoTime } from "../text/timestamps.ts";

export const workersList = defineCommand({
  meta: { name: "workers list", description: "List the workers that are connected or still hold leases." },
  args: { ...FORMAT_FLAGS, ...CONNECTION_FLAGS },
  examples: [{ command: "reseolio workers list", does: "every worker, its functions and its load" }],
  notes: ["Columns when piped: id, state, host, pid, running, concurrency, connected, lease until, client, functions."],
  async run(context) {
    const { output, messages } = context;
    const workers = await withClient(context, async (client) => (await client.daemon.listWorkers({})).workers);
    const count = await output.list(onePage(workers), WORKERS);
    if (count === 0 && output.format === "table") messages.info(WORKERS.empty);
  },
});

type WorkerState = "connected" | "draining" | "gone";

function stateOf(worker: Worker): WorkerState {
  if (!worker.connected) return "gone";
  return worker.draining ? "draining" : "connected";
}

const PAINT: Readonly<Record<WorkerState, Paint>> = { connected: "green", draining: "yellow", gone: "red" };

const WORKERS: Listing<Worker> = {
  name: "workers",
  columns: [
    { header: "ID", value: (worker) => worker.workerId },
    { header: "STATE", value: stateOf, paint: (worker) => PAINT[stateOf(worker)] },
    { header: "HOST", value: (worker) => worker.host },
    { header: "PID", value: (worker) => String(worker.pid), align: "right" },
    { header: "RUNS", value: (worker) => String(worker.running), align: "right" },
    { header: "OF", value: (worker) => String(worker.concurrency), align: "right" },
    {
      header: "CONNECTED",
      value: (worker) => isoTime(worker.connectedAt) ?? "",
      short: (worker, now) => relativeTime(fromTimestamp(worker.connectedAt) ?? now, now),
    },
    {
      header: "LEASE",
      value: (worker) => isoTime(worker.leaseExpiresAt) ?? "",
      short: (worker, now) => relativeTime(fromTimestamp(worker.leaseExpiresAt) ?? now, now),
    },
    { header: "CLIENT", value: (worker) => worker.client },
    { header: "FUNCTIONS", value: (worker) => worker.functionNames.join(",") },
  ],
  json: (worker) => ({
    workerId: worker.workerId,
    state: stateOf(worker),
    host: worker.host,
    pid: worker.pid,
    functionNames: worker.functionNames,
    concurrency: worker.concurrency,
    running: worker.running,
    connectedAt: isoTime(worker.connectedAt),
    leaseExpiresAt: isoTime(worker.leaseExpiresAt),
    client: worker.client,
  }),
  id: (worker) => worker.workerId,
  empty: "no workers; start one with: reseolio work NAME -- COMMAND, or with an app that uses the SDK",
};
