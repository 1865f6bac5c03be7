import type { ConnectRouter } from "@connectrpc/connect";
import { Health } from "#proto/gen/grpc/health/v1/health_pb.ts";
import { DaemonService } from "#proto/gen/reseolio/v1/daemon_service_pb.ts";
import { EventService } from "#proto/gen/reseolio/v1/event_service_pb.ts";
import { JobService } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import { ScheduleService } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import { SessionService } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { TestingService } from "#proto/gen/reseolio/v1/testing_service_pb.ts";
import type { ManualTime } from "../engine/clock/move-clock.ts";
import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../logger.ts";
import type { DaemonInfo } from "./daemon-info.ts";
import { createErrorInterceptor } from "./errors/error-interceptor.ts";
import { createDaemonService } from "./services/daemon-service.ts";
import { createEventService } from "./services/event-service.ts";
import { createHealthService } from "./services/health-service.ts";
import { createJobService } from "./services/job-service.ts";
import { addReflection } from "./services/reflection-service.ts";
import { createScheduleService } from "./services/schedule-service.ts";
import { createTestingService } from "./services/testing-service.ts";
import type { OpenSessions } from "./session/open-sessions.ts";
import { createSessionService } from "./session/session-service.ts";

export interface RouteContext {
  readonly sessions: OpenSessions;
  /** Aborts when the daemon starts to drain: streams end with UNAVAILABLE, health becomes NOT_SERVING. */
  readonly draining: AbortSignal;
  readonly logger: Logger;
  /** The clock of a daemon for tests, which every client can move. [none] */
  readonly manualTime?: ManualTime | undefined;
}

/** The services of the product, without health and reflection. */
const SERVICES = [JobService, SessionService, ScheduleService, EventService, DaemonService] as const;

/** Everything that the port serves over gRPC, gRPC-web and Connect. Errors are sent with details. */
export function createRoutes(
  engine: Engine,
  info: DaemonInfo,
  context: RouteContext,
): (router: ConnectRouter) => ConnectRouter {
  const options = { interceptors: [createErrorInterceptor(context.logger)] };
  return (router) => {
    router.service(JobService, createJobService(engine, context.draining), options);
    router.service(SessionService, createSessionService(engine, info, context.sessions), options);
    router.service(ScheduleService, createScheduleService(engine), options);
    router.service(EventService, createEventService(engine), options);
    router.service(DaemonService, createDaemonService(engine, info), options);
    router.service(Health, createHealthService(engine, SERVICES, context.draining), options);
    const { manualTime } = context;
    if (manualTime !== undefined) router.service(TestingService, createTestingService(engine, manualTime), options);
    const testing = manualTime === undefined ? [] : [TestingService];
    addReflection(router, [...SERVICES, ...testing, Health], options);
    return router;
  };
}
