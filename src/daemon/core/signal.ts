/** What is sent to one job, in order, each for one wait of it. */

export const SIGNAL_LIMITS = {
  /** Signals of one job that no wait has taken yet. */
  waitingPerJob: 10_000,
} as const;
