import type { ServiceImpl } from "@connectrpc/connect";
import type {
  DaemonService,
  FunctionStats as FunctionStatsMessage,
  ScheduleStats as ScheduleStatsMessage,
  Worker as WorkerMessage,
} from "#proto/gen/reseolio/v1/daemon_service_pb.ts";
import type { Engine } from "../../engine/engine.ts";
import { describeSchedules, type ScheduleStats } from "../../engine/schedules/read-schedules.ts";
import {
  describeFunctions,
  describeStats,
  describeWorkers,
  type FunctionStats,
  type WorkerStats,
} from "../../engine/workers/worker-stats.ts";
import type { DaemonInfo } from "../daemon-info.ts";
import { jobStateToProto } from "../messages/job-messages.ts";
import { fromMs } from "../messages/timestamps.ts";

/** DaemonService: facts and statistics about this daemon. */
export function createDaemonService(engine: Engine, info: DaemonInfo): ServiceImpl<typeof DaemonService> {
  return {
    getInfo: () => ({ ...info, startedAt: fromMs(info.startedAt) }),
    getStats: async () => {
      const [stats, schedules] = await Promise.all([describeStats(engine), describeSchedules(engine)]);
      return {
        ...stats,
        schedules: fromScheduleStats(schedules),
        functions: stats.functions.map(fromFunctionStats),
        storageBytes: BigInt(stats.storageBytes),
        rssBytes: BigInt(stats.rssBytes),
      };
    },
    listWorkers: async () => ({ workers: (await describeWorkers(engine)).map(fromWorkerStats) }),
    listFunctions: async () => ({ functions: (await describeFunctions(engine)).map(fromFunctionStats) }),
  };
}

function fromFunctionStats(stats: FunctionStats): FunctionStatsMessage {
  return {
    $typeName: "reseolio.v1.FunctionStats",
    functionName: stats.functionName,
    counts: stats.counts.map(({ state, count }) => ({
      $typeName: "reseolio.v1.StateCount",
      state: jobStateToProto(state),
      count: BigInt(count),
    })),
    workers: stats.workers,
    freeSlots: stats.freeSlots,
  };
}

function fromScheduleStats({ active, paused, nextRunAt, overdueMs }: ScheduleStats): ScheduleStatsMessage {
  return {
    $typeName: "reseolio.v1.ScheduleStats",
    active,
    paused,
    overdueMs: BigInt(overdueMs),
    ...(nextRunAt !== null && { nextRunAt: fromMs(nextRunAt) }),
  };
}

function fromWorkerStats(worker: WorkerStats): WorkerMessage {
  return {
    $typeName: "reseolio.v1.Worker",
    workerId: worker.workerId,
    host: worker.host,
    pid: worker.pid,
    functionNames: [...worker.functionNames],
    concurrency: worker.concurrency,
    running: worker.running,
    connectedAt: fromMs(worker.connectedAt),
    leaseExpiresAt: fromMs(worker.leaseExpiresAt),
    connected: worker.connected,
    draining: worker.draining,
    client: worker.client,
  };
}
