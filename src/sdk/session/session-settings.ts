import type { Hello, SessionResponse, Welcome } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { ReseolioError } from "../errors.ts";

/** Who stands behind the session: told what the daemon says, asked who it is. Its methods must not throw. */
export interface SessionOwner {
  /** Made anew for each stream: functions and held leases as they are now. */
  hello(): Hello;
  connected(welcome: Welcome, again: boolean): void;
  /** The stream broke; it will be opened again. */
  disconnected(error: ReseolioError): void;
  /** The stream broke or could not be opened; there will be another try. */
  connectFailed(error: ReseolioError): void;
  /** Assignments, revocations and recalls of one frame. */
  received(frame: SessionResponse): void;
  /** Called about twice a second while the session lives. */
  tick(now: number): void;
}

export interface SessionSettings {
  /** How long a call waits for its answer, through reconnections. */
  readonly callTimeoutMs: number;
  /** How long `open` tries. */
  readonly connectTimeoutMs: number;
  /** Frames unanswered at a time. */
  readonly maxUnanswered: number;
  /** A welcome or a reply that takes longer means that nobody is there. */
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

/** Answers of a daemon that will be the same the next time. */
export function isRefusal(error: ReseolioError): boolean {
  return error.code !== "connection" && error.code !== "resource_exhausted";
}

/** Whether the owner is to be told of it. */
export function concernsWorker({ assignments, revocations, recalls, checkpoints }: SessionResponse): boolean {
  return assignments.length + revocations.length + recalls.length + checkpoints.length > 0;
}
