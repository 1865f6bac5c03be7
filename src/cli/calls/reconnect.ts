import { setTimeout as sleep } from "node:timers/promises";
import type { Messages } from "../terminal/messages.ts";
import { isUnavailable } from "./rpc-errors.ts";

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 2_000;

/**
 * Follows a stream across restarts of the daemon: reopens it, with growing delays, until the daemon is back. Fails at
 * once if the daemon did not answer the first time, and on every other error.
 *
 * @param open reads the stream to its end; calls `alive` once the daemon has answered
 */
export async function withReconnect(
  open: (alive: () => void) => Promise<void>,
  {
    messages,
    signal,
    wasAlive = false,
  }: { readonly messages: Messages; readonly signal: AbortSignal; readonly wasAlive?: boolean },
): Promise<void> {
  let isKnown = wasAlive;
  let isAway = false;
  let delayMs = FIRST_DELAY_MS;
  for (;;) {
    try {
      return await open(() => {
        if (isAway) messages.info("reconnected to the daemon");
        isKnown = true;
        isAway = false;
        delayMs = FIRST_DELAY_MS;
      });
    } catch (error) {
      if (signal.aborted || !isKnown || !isUnavailable(error)) throw error;
      if (!isAway) messages.warn("lost the connection to the daemon; reconnecting");
      isAway = true;
    }
    await sleep(delayMs, undefined, { signal });
    delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS);
  }
}
