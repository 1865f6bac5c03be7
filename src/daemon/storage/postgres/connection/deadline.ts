import { DaemonError } from "../../../core/errors.ts";

/**
 * The work's result, unless it takes longer: then `onLate` is told, and whether the work was done is not known.
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
        `${what} did not answer within ${ms} ms: its connections are dropped and made anew; whether the last write was done is not known, repeat it`,
      ),
    );
  }, ms);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
