import type { Hello, SessionResponse, Welcome } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { ReseolioError } from "../errors.ts";

/** The owner of a session: identifies the client and receives what the daemon sends. Its methods must not throw. */
export interface SessionOwner {
  /** Called for each stream, so that functions and held leases are current. */
  hello(): Hello;
  connected(welcome: Welcome, again: boolean): void;
  /** The stream broke; it will be opened again. */
  disconnected(error: ReseolioError): void;
  /** The stream broke or could not be opened; the session tries again. */
  connectFailed(error: ReseolioError): void;
  /** A frame, which may carry assignments, revocations, recalls or checkpoints. */
  received(frame: SessionResponse): void;
  /** Called about twice a second while the session lives. */
  tick(now: number): void;
}

export interface SessionSettings {
  /** How long a call waits for its answer, across reconnections. */
  readonly callTimeoutMs: number;
  /** How long `open` tries to connect. */
  readonly connectTimeoutMs: number;
  /** Maximum number of unanswered frames. */
  readonly maxUnanswered: number;
  /** If a welcome or a reply takes longer, the daemon counts as dead. */
  readonly replyTimeoutMs: number;
  readonly minBackoffMs: number;
  readonly maxBackoffMs: number;
  readonly tickMs: number;
}

export const SESSION_DEFAULTS: SessionSettings = {
  callTimeoutMs: 30_000,
  connectTimeoutMs: 10_000,
  maxUnanswered: 2,
  replyTimeoutMs: 15_000,
  minBackoffMs: 50,
  maxBackoffMs: 2_000,
  tickMs: 500,
};

/** Whether a retry would fail in the same way. */
export function isRefusal(error: ReseolioError): boolean {
  return error.code !== "connection" && error.code !== "resource_exhausted";
}
