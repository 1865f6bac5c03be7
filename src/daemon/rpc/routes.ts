import type { ConnectRouter } from "@connectrpc/connect";
import { Health } from "#proto/gen/grpc/health/v1/health_pb.ts";
import { DaemonService } from "#proto/gen/reseolio/v1/daemon_service_pb.ts";
import { EventService } from "#proto/gen/reseolio/v1/event_service_pb.ts";
import { JobService } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import { ScheduleService } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import { SessionService } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { TestingService } from "#proto/gen/reseolio/v1/testing_service_pb.ts";
import type { Engine } from "../engine/engine.ts";
import type { ManualTime } from "../engine/clock/move-clock.ts";
import type { Logger } from "../logger.ts";
import type { DaemonInfo } from "./daemon-info.ts";
import { createDaemonService } from "./daemon-service.ts";
import { createErrorInterceptor } from "./error-interceptor.ts";
import { createEventService } from "./event-service.ts";
import { createHealthService } from "./health-service.ts";
import { createJobService } from "./job-service.ts";
import { addReflection } from "./reflection-service.ts";
import { createScheduleService } from "./schedule-service.ts";
import type { OpenSessions } from "./session-service.ts";
import { createSessionService } from "./session-service.ts";
import { createTestingService } from "./testing-service.ts";

export interface RouteContext {
  readonly sessions: OpenSessions;
  /** Aborts when the daemon begins to stop: streams end with UNAVAILABLE, health says NOT_SERVING. */
  readonly draining: AbortSignal;
  readonly logger: Logger;
  /** Of a daemon that is there for tests: its clock can be moved by anyone who reaches the port. [none] */
  readonly manualTime?: ManualTime | undefined;
}

/** The services that are the product; health and reflection come on top. */
const SERVICES = [JobService, SessionService, ScheduleService, EventService, DaemonService] as const;

/** Everything that the port serves by gRPC, gRPC-web and Connect. Faults leave as errors with details. */
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
