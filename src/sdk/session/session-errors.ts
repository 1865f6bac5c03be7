/** Errors of a session that broke or is closed. */
import { ConnectionError } from "../errors.ts";

export function endedError(address: string): ConnectionError {
  return new ConnectionError(address, `the daemon at ${address} ended the session`);
}

/** The daemon accepts frames but answers none. */
export function silentError(address: string, silentMs: number): ConnectionError {
  return new ConnectionError(address, `the daemon at ${address} did not answer for ${Math.round(silentMs)} ms`);
}

export function protocolError(address: string, detail: string): ConnectionError {
  return new ConnectionError(address, `the daemon at ${address} violated the session protocol: ${detail}`);
}

export function closedError(address: string): ConnectionError {
  return new ConnectionError(address, "this client is stopped; call start() again, or create a new client");
}
