import type { EventEmitter } from "node:events";
import type { Assignment } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { ConnectionEvents } from "./connection.ts";
import type { JobEventInfo, ReseolioEvents } from "./events.ts";
import type { Logger } from "./logger.ts";

type Emitter = EventEmitter<ReseolioEvents>;

/**
 * Emits a client event. What a listener throws is logged: it must not end what the event reports, or the process.
 */
export function notify<Name extends keyof ReseolioEvents>(
  emitter: Emitter,
  logger: Logger,
  name: Name,
  ...values: ReseolioEvents[Name]
): void {
  try {
    (emitter as EventEmitter).emit(name, ...values);
  } catch (error) {
    logListenerError(logger, name, error);
  }
}

/** Also for what an asynchronous listener rejects with. */
export function logListenerError(logger: Logger, name: string, error: unknown): void {
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  logger.error(`a listener of the event ${JSON.stringify(name)} threw: ${what}`);
}

/** Turns what happens on a connection into client events. Those of jobs cost nothing without a listener. */
export function connectionEvents(emitter: Emitter, logger: Logger): ConnectionEvents {
  return {
    onStart: (job) => {
      if (emitter.listenerCount("job:start") > 0) notify(emitter, logger, "job:start", infoOf(job));
    },
    onSuccess: (job, result) => {
      if (emitter.listenerCount("job:success") > 0) notify(emitter, logger, "job:success", infoOf(job), result);
    },
    onError: (job, error) => {
      if (emitter.listenerCount("job:error") > 0) notify(emitter, logger, "job:error", infoOf(job), error);
    },
    onDisconnected: (error) => notify(emitter, logger, "disconnected", error),
    onReconnected: () => notify(emitter, logger, "reconnected"),
  };
}

function infoOf({ jobId, functionName, attempt, maxAttempts }: Assignment): JobEventInfo {
  return { jobId, functionName, attempt, maxAttempts, id: jobId, name: functionName };
}
