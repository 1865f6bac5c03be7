/** Signals are sent to one job, kept in order, and each taken by one wait. */

export const SIGNAL_LIMITS = {
  /** Signals of one job that no wait has taken yet. */
  waitingPerJob: 10_000,
} as const;
