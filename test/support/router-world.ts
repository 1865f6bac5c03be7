import { type Client, createClient, createRouterTransport } from "@connectrpc/connect";
import { DaemonService } from "#proto/gen/reseolio/v1/daemon_service_pb.ts";
import { EventService } from "#proto/gen/reseolio/v1/event_service_pb.ts";
import { JobService } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import { ScheduleService } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import { createRoutes } from "../../src/daemon/rpc/routes.ts";
import { OpenSessions } from "../../src/daemon/rpc/session/open-sessions.ts";
import { createEngineWorld, type EngineWorld } from "./engine-world.ts";
import { type LoggedLine, recordingLogger, TEST_INFO } from "./http-world.ts";

/** The services in memory, without a socket, on the real engine and a real SQLite store. */
export interface RouterWorld extends EngineWorld {
  readonly jobs: Client<typeof JobService>;
  readonly events: Client<typeof EventService>;
  readonly schedules: Client<typeof ScheduleService>;
  readonly daemon: Client<typeof DaemonService>;
  readonly logged: readonly LoggedLine[];
  drain(): void;
}

export async function createRouterWorld(): Promise<RouterWorld> {
  const world = await createEngineWorld();
  const draining = new AbortController();
  const { logger, logged } = recordingLogger();
  const sessions = new OpenSessions(() => {});
  const transport = createRouterTransport(
    createRoutes(world.engine, TEST_INFO, { sessions, draining: draining.signal, logger }),
  );
  return {
    ...world,
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
    jobs: createClient(JobService, transport),
    events: createClient(EventService, transport),
    schedules: createClient(ScheduleService, transport),
    daemon: createClient(DaemonService, transport),
    logged,
    drain: () => draining.abort(),
  };
}
