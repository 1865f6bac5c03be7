/** A wait of a parked job, and the state of the thing that it waits for. */
export interface WaitProgress {
  /** When a sleep ends, or a wait times out; null for never. */
  readonly dueAt: number | null;
  /** An emission of the event counts for the wait. */
  readonly hasPayload: boolean;
  /** The awaited job is terminal, or gone. */
  readonly hasEnded: boolean;
}

/** Whether a wait is over: what it waits for has happened, or its time has come. */
export function isWaitOver({ dueAt, hasPayload, hasEnded }: WaitProgress, now: number): boolean {
  return hasPayload || hasEnded || (dueAt !== null && dueAt <= now);
}
