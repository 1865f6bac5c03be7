import type { EventEmitter } from "node:events";
import type { Assignment } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { ConnectionEvents } from "./connection.ts";
import type { JobEventInfo, ReseolioEvents } from "./events.ts";

type Emitter = EventEmitter<ReseolioEvents>;

/**
 * Emits a client event. A listener that throws is a bug of the program: the error surfaces as an uncaught exception.
 */
export function notify<Name extends keyof ReseolioEvents>(
  emitter: Emitter,
  name: Name,
  ...values: ReseolioEvents[Name]
): void {
  try {
    (emitter as EventEmitter).emit(name, ...values);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** Turns what happens on a connection into client events. Those of jobs cost nothing without a listener. */
export function connectionEvents(emitter: Emitter): ConnectionEvents {
  return {
    onStart: (job) => {
      if (emitter.listenerCount("job:start") > 0) notify(emitter, "job:start", infoOf(job));
    },
    onSuccess: (job, result) => {
      if (emitter.listenerCount("job:success") > 0) notify(emitter, "job:success", infoOf(job), result);
    },
    onError: (job, error) => {
      if (emitter.listenerCount("job:error") > 0) notify(emitter, "job:error", infoOf(job), error);
    },
    onDisconnected: (error) => notify(emitter, "disconnected", error),
    onReconnected: () => notify(emitter, "reconnected"),
  };
}

function infoOf({ jobId, functionName, attempt, maxAttempts }: Assignment): JobEventInfo {
  return { jobId, functionName, attempt, maxAttempts };
}
