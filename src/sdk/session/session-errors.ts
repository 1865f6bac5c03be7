/** Why a session broke, or takes no more calls. */
import { ConnectionError } from "../errors.ts";

export function endedError(address: string): ConnectionError {
  return new ConnectionError(address, `the daemon at ${address} ended the session`);
}

/** The daemon takes frames and answers none. */
export function silentError(address: string, silentMs: number): ConnectionError {
  return new ConnectionError(address, `the daemon at ${address} did not answer for ${Math.round(silentMs)} ms`);
}

export function protocolError(address: string, detail: string): ConnectionError {
  return new ConnectionError(address, `the daemon at ${address} broke the session's protocol: ${detail}`);
}

export function closedError(address: string): ConnectionError {
  return new ConnectionError(address, "this client is stopped; start() it again, or make a new one");
}
