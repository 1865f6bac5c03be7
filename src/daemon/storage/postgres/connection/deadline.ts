import { DaemonError } from "../../../core/errors.ts";

/**
 * Returns the result of the work. When it takes longer, calls `onLate` and throws: the work may have been done or not.
 *
 * @param what for the message: "did not answer …"
 */
export async function withDeadline<T>(work: Promise<T>, ms: number, what: string, onLate: () => void): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    onLate();
    late.reject(
      new DaemonError(
        "unavailable",
        `${what} did not answer within ${ms} ms: its connections are closed and reopened; the last write may or may not have been committed, so repeat it`,
      ),
    );
  }, ms);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
