import { type Client as ServiceClient, createClient as createServiceClient } from "@connectrpc/connect";
import { DaemonService } from "#proto/gen/reseolio/v1/daemon_service_pb.ts";
import { EventService } from "#proto/gen/reseolio/v1/event_service_pb.ts";
import { JobService } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import { ScheduleService } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import { SessionService } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { DaemonTransport } from "./daemon-transport.ts";
import { createTransport, type TransportOptions } from "./transport.ts";

export type ClientOptions = TransportOptions;

/** Typed clients of the daemon's services over one connection, used by the SDK and the command line. */
export interface Client {
  readonly transport: DaemonTransport;
  readonly jobs: ServiceClient<typeof JobService>;
  readonly schedules: ServiceClient<typeof ScheduleService>;
  readonly events: ServiceClient<typeof EventService>;
  readonly daemon: ServiceClient<typeof DaemonService>;
  readonly session: ServiceClient<typeof SessionService>;
  /** Closes the connection; open streams end with an error. */
  close(): void;
}

/**
 * Connects on the first call. Unary calls end within `timeoutMs` of the options unless they set their own timeout.
 * Calls throw ConnectionError when the daemon cannot be reached, and otherwise ConnectError with the daemon's code.
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
