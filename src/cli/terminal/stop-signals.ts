/** Stop signals of a long-running command: the first requests a graceful stop, the second ends the process. */
export interface StopSignals {
  /** Resolves with the first SIGINT, SIGTERM or SIGHUP. */
  readonly requested: Promise<void>;
  readonly isRequested: boolean;
  /** Aborts on the second signal, just before the process exits. */
  readonly killNow: AbortSignal;
}

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/**
 * Runs `work` with these signals. The second signal aborts `killNow` and then exits with 128 plus its number.
 */
export async function withStopSignals<T>(
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
