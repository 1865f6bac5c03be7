import { setTimeout as sleep } from "node:timers/promises";
import type { Messages } from "../terminal/messages.ts";
import { isUnavailable } from "./rpc-errors.ts";

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 2_000;

/**
 * Follows a stream through restarts of the daemon: opens it again, with growing delays, for as long as the daemon is
 * away. A daemon that did not answer the first time is an error at once; so is every other fault, at any time.
 *
 * @param open reads the stream to its end; calls `alive` when it hears from the daemon
 */
export async function throughRestarts(
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
        if (isAway) messages.info("the daemon is back");
        isKnown = true;
        isAway = false;
        delayMs = FIRST_DELAY_MS;
      });
    } catch (error) {
      if (signal.aborted || !isKnown || !isUnavailable(error)) throw error;
      if (!isAway) messages.warn("the daemon is away; waiting until it is back");
      isAway = true;
    }
    await sleep(delayMs, undefined, { signal });
    delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS);
  }
}
