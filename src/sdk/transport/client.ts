import { type Client as ServiceClient, createClient as createServiceClient } from "@connectrpc/connect";
import { DaemonService } from "#proto/gen/reseolio/v1/daemon_service_pb.ts";
import { EventService } from "#proto/gen/reseolio/v1/event_service_pb.ts";
import { JobService } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import { ScheduleService } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import { SessionService } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { DaemonTransport } from "./daemon-transport.ts";
import { createTransport, type TransportOptions } from "./transport.ts";

export type ClientOptions = TransportOptions;

/** The daemon's services, typed, over one connection. What the SDK and the command line are built on. */
export interface Client {
  readonly transport: DaemonTransport;
  readonly jobs: ServiceClient<typeof JobService>;
  readonly schedules: ServiceClient<typeof ScheduleService>;
  readonly events: ServiceClient<typeof EventService>;
  readonly daemon: ServiceClient<typeof DaemonService>;
  readonly session: ServiceClient<typeof SessionService>;
  /** Closes the connection; streams under way end with an error. */
  close(): void;
}

/**
 * Connects on the first call. Each unary call ends within `timeoutMs` of the options unless it sets its own. Throws
 * ConnectionError when the daemon cannot be reached, ConnectError with the daemon's code for everything else.
 */
export function createClient(options: ClientOptions = {}): Client {
  const transport = createTransport(options);
  return {
    transport,
    jobs: createServiceClient(JobService, transport),
    schedules: createServiceClient(ScheduleService, transport),
    events: createServiceClient(EventService, transport),
    daemon: createServiceClient(DaemonService, transport),
    session: createServiceClient(SessionService, transport),
    close: () => transport.close(),
  };
}
