import type { DescService, MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
  type HealthCheckResponseSchema,
} from "#proto/gen/grpc/health/v1/health_pb.ts";
import { DaemonError } from "../../core/errors.ts";
import type { Engine } from "../../engine/engine.ts";
import type { StreamSignals } from "../streams/stream-buffer.ts";

/** How often Watch checks the health. */
const WATCH_INTERVAL_MS = 5_000;

/**
 * grpc.health.v1: SERVING while the store answers and the daemon is not draining, for the whole daemon ("") and for each
 * service by its full name. For any other name, Check returns NOT_FOUND and Watch SERVICE_UNKNOWN, as specified. Watch
 * sends the status and its changes, and ends when the daemon drains.
 */
export function createHealthService(
  engine: Engine,
  services: readonly DescService[],
  draining: AbortSignal,
): ServiceImpl<typeof Health> {
  const names = new Set(["", ...services.map((service) => service.typeName)]);
  return {
    check: async ({ service }) => {
      if (!names.has(service)) throw unknownService(service, names);
      return { status: await readStatus(engine, draining) };
    },
    watch: ({ service }, { signal }) =>
      watchStatus(
        () => (names.has(service) ? readStatus(engine, draining) : Promise.resolve(ServingStatus.SERVICE_UNKNOWN)),
        { cancelled: signal, draining },
      ),
  };
}

async function* watchStatus(
  read: () => Promise<ServingStatus>,
  signals: StreamSignals,
): AsyncGenerator<MessageInitShape<typeof HealthCheckResponseSchema>> {
  let sent: ServingStatus | null = null;
  for (;;) {
    const status = await read();
    if (status !== sent) yield { status };
    sent = status;
    if (signals.draining.aborted) return;
    await nextLook(signals);
    signals.cancelled.throwIfAborted();
  }
}

/** Resolves after the interval, or earlier if the client disconnects or the daemon drains. */
function nextLook(signals: StreamSignals): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signals.cancelled.removeEventListener("abort", done);
      signals.draining.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, WATCH_INTERVAL_MS);
    signals.cancelled.addEventListener("abort", done);
    signals.draining.addEventListener("abort", done);
    if (signals.cancelled.aborted || signals.draining.aborted) done();
  });
}

async function readStatus(engine: Engine, draining: AbortSignal): Promise<ServingStatus> {
  if (draining.aborted) return ServingStatus.NOT_SERVING;
  return await engine.store.ping().then(
    () => ServingStatus.SERVING,
    () => ServingStatus.NOT_SERVING,
  );
}

function unknownService(service: string, names: ReadonlySet<string>): DaemonError {
  const known = [...names].map((name) => JSON.stringify(name)).join(", ");
  return new DaemonError("not_found", `unknown service ${JSON.stringify(service)}; valid names: ${known}`);
}
