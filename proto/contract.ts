/** What clients and the daemon agree on besides the messages: address, headers, limits. */

export const DEFAULT_HOST = "127.0.0.1";
export const DEFAULT_PORT = 50051;
/** Where `reseolio serve` listens and clients connect by default. */
export const DEFAULT_ADDRESS = `${DEFAULT_HOST}:${DEFAULT_PORT}`;

/** Carries `Bearer TOKEN` on every call if the daemon requires a token. */
export const AUTHORIZATION_HEADER = "authorization";
export const BEARER_PREFIX = "Bearer ";

/** Job header with the caller's W3C trace context; the handler receives it unchanged. */
export const TRACEPARENT_HEADER = "traceparent";

/** Job header with the name of the schedule that enqueued the job. */
export const SCHEDULE_HEADER = "reseolio-schedule";
/** Job header with the tick that the job was enqueued for, as ISO 8601 in UTC. */
export const SCHEDULED_AT_HEADER = "reseolio-scheduled-at";
/** Job header of an undo job: the ID of the job whose steps it undoes, its parent. Only the daemon sets it. */
export const UNDO_HEADER = "reseolio-undo-of";

/** Why an attempt or a job ended without success: the values of `JobError.reason`, which the stores keep too. */
export const ERROR_REASONS = [
  "handler",
  "terminal",
  "timeout",
  "worker_lost",
  "cancelled",
  "start_deadline",
  "finish_deadline",
  /** The job's records do not match its handler: it waits for code that matches. */
  "replay_mismatch",
] as const;

/** Largest value of the protocol's uint32 fields. */
export const MAX_UINT32 = 0xffff_ffff;
/** Largest value of numbers that the stores keep as signed 32-bit integers. */
export const MAX_INT32 = 0x7fff_ffff;
/** A hundred years: a longer duration is a mistake, and times stay far from the end of the number range. */
export const MAX_DURATION_MS = 36_525 * 24 * 3_600_000;

/** Absent args, result or value. Shared: do not write to it. */
export const NO_BYTES = new Uint8Array(0);

export const WIRE_LIMITS = {
  /** Bytes of one message in either direction. */
  messageBytes: 4 * 1024 * 1024,
  /** Bytes of a job's args, of a result, and of the value of a checkpoint, event or signal. */
  payloadBytes: 1024 * 1024,
  /** Jobs per EnqueueJobs call or session frame, and job IDs per await. */
  batchItems: 1_000,
  /** UTF-8 bytes of a function's name. */
  functionNameBytes: 256,
  /** UTF-8 bytes of an idempotency key. */
  idempotencyKeyBytes: 512,
  /** UTF-8 bytes of the name of a checkpoint, an event or a signal. */
  checkpointNameBytes: 256,
  /** UTF-8 bytes of a schedule's name. */
  scheduleNameBytes: 256,
  /** UTF-8 bytes of all header names and values of a job together. */
  headersBytes: 16 * 1024,
  /** UTF-8 bytes kept of an error's message and of its stack; longer texts are cut. */
  errorTextBytes: 16 * 1024,
  /** Missed ticks that one schedule catches up. */
  catchUpTicks: 10_000,
} as const;

/**
 * ID of a session frame that only changes which jobs are awaited. It gets no reply: an empty reply would cost both
 * sides as much as the end of the job that it precedes.
 */
export const UNANSWERED_FRAME_ID = 0;

/** HTTP/2 receive window of a stream and of a connection: several full messages, so that it never splits a frame. */
export const HTTP2_WINDOW_BYTES = 16 * 1024 * 1024;

/**
 * The name of a checkpoint as shown to people. The name of a wait inside another operation, such as a source of
 * `awaitAny`, contains the operation's identity between the name and its number.
 */
export function shownName(name: string): string {
  return name.replace(/@[0-9a-z]+(?=\[\d+\](\/\d+)?$)/, "");
}
