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

/** How often a watched health is looked at. */
const WATCH_INTERVAL_MS = 5_000;

/**
 * grpc.health.v1: SERVING while the store answers and the daemon does not drain, for the whole daemon ("") and for
 * each service by its full name. Check answers NOT_FOUND for any other name, Watch SERVICE_UNKNOWN, as its
 * specification says. Watch tells the status, then its change at the drain, and ends.
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
  let told: ServingStatus | null = null;
  for (;;) {
    const status = await read();
    if (status !== told) yield { status };
    told = status;
    if (signals.draining.aborted) return;
    await nextLook(signals);
    signals.cancelled.throwIfAborted();
  }
}

/** Resolves after the interval, or at once when the client goes or the daemon drains. */
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
  return new DaemonError("not_found", `no service has the name ${JSON.stringify(service)}; ask for one of ${known}`);
}
