/** Which of several daemons on one database does the work that one does for all. */
export interface Leadership {
  readonly nodeId: string;
  /** Goes up each time that the leadership changes hands or lapses. */
  readonly term: number;
  /** On the store's clock. */
  readonly expiresAt: number;
}
