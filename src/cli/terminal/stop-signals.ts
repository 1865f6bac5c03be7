/** How long-running commands are told to stop: the first signal asks, the second insists. */
export interface StopSignals {
  /** Resolves with the first SIGINT, SIGTERM or SIGHUP. */
  readonly requested: Promise<void>;
  readonly isRequested: boolean;
  /** Fires with the second one, just before the process ends. */
  readonly killNow: AbortSignal;
}

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/**
 * Runs `work` under these signals. The second one ends the process with 128 + its number, after `killNow` had its say.
 */
export async function untilStopped<T>(
  work: (signals: StopSignals) => Promise<T>,
  { onHangup = "stop" }: { readonly onHangup?: "stop" | "ignore" } = {},
): Promise<T> {
  const requested = Promise.withResolvers<void>();
  const kill = new AbortController();
  const signals = { requested: requested.promise, isRequested: false, killNow: kill.signal };
  const onSignal = (signal: NodeJS.Signals): void => {
    if (signal === "SIGHUP" && onHangup === "ignore") return;
    if (signals.isRequested) {
      kill.abort();
      process.exit(128 + SIGNALS[signal as keyof typeof SIGNALS]);
    }
    signals.isRequested = true;
    requested.resolve();
  };
  for (const name of Object.keys(SIGNALS)) process.on(name, onSignal);
  try {
    return await work(signals);
  } finally {
    for (const name of Object.keys(SIGNALS)) process.off(name, onSignal);
  }
}
