/** The answer to something that a worker reports under a lease. */
export type SettleResult =
  | "accepted"
  /** The lease is no longer the worker's: nothing changed. */
  | "stale"
  /** Not stored: report it again. */
  | "retry"
  /** The report breaks a limit: report a failure instead. */
  | "invalid";
