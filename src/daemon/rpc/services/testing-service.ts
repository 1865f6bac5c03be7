import type { ServiceImpl } from "@connectrpc/connect";
import type { TestingService } from "#proto/gen/reseolio/v1/testing_service_pb.ts";
import { type ManualTime, moveClock } from "../../engine/clock/move-clock.ts";
import type { Engine } from "../../engine/engine.ts";
import { fromMs, toMs } from "../messages/timestamps.ts";

const DEFAULT_WAIT_MS = 5_000;

/** TestingService: moves the clock of a daemon that runs for tests. */
export function createTestingService(engine: Engine, time: ManualTime): ServiceImpl<typeof TestingService> {
  return {
    moveClock: async (request) => {
      const to = request.to === undefined ? null : toMs(request.to);
      const { now, nextDueAt, busy } = await moveClock(engine, time, to, request.waitMs ?? DEFAULT_WAIT_MS);
      return {
        now: fromMs(now),
        ...(nextDueAt === null ? {} : { nextDueAt: fromMs(nextDueAt) }),
        busy: busy.map(({ jobId, functionName, attempt }) => ({ jobId, functionName, attempt })),
      };
    },
  };
}
