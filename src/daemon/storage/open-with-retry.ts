import { DaemonError } from "../core/errors.ts";

/** How long a start waits for a database that does not answer yet. */
export interface RetryOptions {
  /** 0 for no retry. */
  readonly withinMs: number;
  /** Called once, with the first fault. */
  readonly onAway: (fault: DaemonError) => void;
  /** Stops waiting. */
  readonly giveUp: AbortSignal;
}

const RETRY_MS = 500;

/**
 * Opens a database, and tries again while it is `unavailable`: a machine that starts brings up its services in any order.
 * Throws the last fault when the time is over, and any other fault at once.
 */
export async function openWithRetry<T>(open: () => Promise<T>, { withinMs, onAway, giveUp }: RetryOptions): Promise<T> {
  const until = performance.now() + withinMs;
  for (let tried = 1; ; tried++) {
    try {
      return await open();
    } catch (fault) {
      if (!isAway(fault) || giveUp.aborted || performance.now() >= until) throw fault;
      if (tried === 1) onAway(fault);
    }
    await pause(giveUp);
  }
}

function isAway(fault: unknown): fault is DaemonError {
  return fault instanceof DaemonError && fault.code === "unavailable";
}

function pause(giveUp: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      giveUp.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, RETRY_MS);
    giveUp.addEventListener("abort", done);
    if (giveUp.aborted) done();
  });
}
