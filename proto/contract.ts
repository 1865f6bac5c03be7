/** What both sides agree on besides the messages: where the daemon listens, how a token travels, how much is allowed. */

export const DEFAULT_HOST = "127.0.0.1";
export const DEFAULT_PORT = 50051;
/** Where `reseolio serve` listens and clients connect unless told otherwise. */
export const DEFAULT_ADDRESS = `${DEFAULT_HOST}:${DEFAULT_PORT}`;

/** Carries `Bearer TOKEN` on every call when the daemon was started with a token. */
export const AUTHORIZATION_HEADER = "authorization";
export const BEARER_PREFIX = "Bearer ";

/** Job header with the W3C trace context of the caller; handed to the handler unchanged. */
export const TRACEPARENT_HEADER = "traceparent";

/** Headers of the job of a tick: the schedule's name, and the tick as ISO 8601 in UTC. */
export const SCHEDULE_HEADER = "reseolio-schedule";
export const SCHEDULED_AT_HEADER = "reseolio-scheduled-at";

export const WIRE_LIMITS = {
  /** Bytes of one message in either direction. */
  messageBytes: 4 * 1024 * 1024,
  /** Bytes of a job's args, and of a result. */
  payloadBytes: 1024 * 1024,
  /** Jobs of one EnqueueJobs call or one session frame, and ids of one await. */
  batchItems: 1_000,
  /** UTF-8 bytes of a function's name. */
  functionNameBytes: 256,
  idempotencyKeyBytes: 512,
  /** UTF-8 bytes of the name of a checkpoint or an event. */
  checkpointNameBytes: 256,
  /** Bytes of all header names and values of a job. */
  headersBytes: 16 * 1024,
  /** Bytes kept of an error's message and of its stack; longer ones are cut. */
  errorTextBytes: 16 * 1024,
} as const;

/**
 * Of a session's frame that only says what is awaited: it gets no reply. An empty one costs both sides as much as the end
 * of the job that it would run ahead of.
 */
export const UNANSWERED_FRAME_ID = 0;

/** HTTP/2 receive window of one stream and of a connection: several full messages, so that a frame is never cut up by it. */
export const HTTP2_WINDOW_BYTES = 16 * 1024 * 1024;

/**
 * A name as people are shown it: a wait that is part of another operation, as each source of `awaitAny` is, carries the
 * operation's identity between the name and its number.
 */
export function shownName(name: string): string {
  return name.replace(/@[0-9a-z]+(?=\[\d+\](\/\d+)?$)/, "");
}
