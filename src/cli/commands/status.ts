import type { GetInfoResponse, GetStatsResponse } from "#proto/gen/reseolio/v1/daemon_service_pb.ts";
import { CONNECTION_FLAGS, withClient } from "../calls/connection.ts";
import { defineCommand } from "../command.ts";
import { FORMAT_FLAGS } from "../flags/format-flags.ts";
import { onePage } from "../terminal/one-page.ts";
import type { RecordView } from "../terminal/output.ts";
import { formatBytes } from "../text/bytes.ts";
import { relativeTime } from "../text/instant.ts";
import { STATE_NAMES } from "../text/job-states.ts";
import { fromTimestamp, isoTime } from "../text/timestamps.ts";
import { FUNCTIONS, totals } from "../views/function-view.ts";
import { scheduleStatsJson, scheduleStatsText } from "../views/schedule-stats-view.ts";

export const status = defineCommand({
  meta: { name: "status", description: "Show the daemon, its storage, and its jobs by state and function." },
  args: { ...FORMAT_FLAGS, ...CONNECTION_FLAGS },
  examples: [
    { command: "reseolio status", does: "an overview" },
    { command: "reseolio status --json | jq .jobs.DEAD", does: "a single number, for a script" },
  ],
  async run(context) {
    const { output } = context;
    const { address, info, stats } = await withClient(context, async (client) => {
      const [info, stats] = await Promise.all([client.daemon.getInfo({}), client.daemon.getStats({})]);
      return { address: client.transport.address.text, info, stats };
    });
    await output.record(statusRecord(address, info, stats));
    if (output.format !== "table" || stats.functions.length === 0) return;
    await output.text("\n");
    await output.list(onePage(stats.functions), FUNCTIONS);
  },
});

function statusRecord(address: string, info: GetInfoResponse, stats: GetStatsResponse): RecordView {
  const jobs = totals(stats.functions);
  const startedAt = fromTimestamp(info.startedAt) ?? 0;
  const limit = stats.maxConcurrent === 0 ? "no limit" : `at most ${stats.maxConcurrent}`;
  return {
    id: info.nodeId,
    json: statusJson(address, info, stats),
    fields: [
      { label: "daemon", value: `${info.version}, pid ${info.pid}, node ${info.nodeId}` },
      { label: "address", value: address },
      { label: "storage", value: `${info.storageKind} ${info.storageName}` },
      { label: "size", value: String(stats.storageBytes), short: formatBytes(Number(stats.storageBytes)) },
      { label: "memory", value: String(stats.rssBytes), short: formatBytes(Number(stats.rssBytes)) },
      { label: "started", value: isoTime(info.startedAt) ?? undefined, short: relativeTime(startedAt, Date.now()) },
      { label: "lingering", value: info.lingering ? "exits after its last client disconnects" : undefined },
      { label: "workers", value: String(stats.workers) },
      { label: "running", value: String(stats.running), short: `${stats.running}, ${limit}` },
      {
        label: "jobs",
        value: STATE_NAMES.map((state) => `${state}=${jobs[state]}`).join(" "),
        short: STATE_NAMES.map((state) => `${jobs[state]} ${state.toLowerCase()}`).join(", "),
      },
      { label: "schedules", value: scheduleStatsText(stats.schedules, Date.now()) },
    ],
  };
}

function statusJson(address: string, info: GetInfoResponse, stats: GetStatsResponse): Record<string, unknown> {
  return {
    address,
    version: info.version,
    nodeId: info.nodeId,
    pid: info.pid,
    startedAt: isoTime(info.startedAt),
    lingering: info.lingering,
    storage: { kind: info.storageKind, name: info.storageName, bytes: Number(stats.storageBytes) },
    rssBytes: Number(stats.rssBytes),
    workers: stats.workers,
    sessions: stats.sessions,
    running: stats.running,
    maxConcurrent: stats.maxConcurrent,
    jobs: totals(stats.functions),
    schedules: scheduleStatsJson(stats.schedules),
    functions: stats.functions.map(FUNCTIONS.json),
  };
}
