/**
 * Gives a verb what all verbs of its part share: those of a transaction refuse to run once it is over, those of a store
 * fail with its errors. The result is asynchronous in both stores.
 */
export type Guard = <A extends readonly unknown[], R>(
  verb: (...args: A) => R | Promise<R>,
) => (...args: A) => Promise<R>;
