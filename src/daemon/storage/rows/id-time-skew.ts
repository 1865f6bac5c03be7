/**
 * How far the time inside a job's id may be from the time at which the job was stored. Lists go by id, so this bounds
 * where jobs of a range of times can be. Callers choose ids by their own clocks: the widest distance ever seen is kept,
 * in powers of two, and only an id from a clock that is off by more costs a write.
 */
export const LEAST_SKEW_MS = 60_000;

/** The distance, widened to cover this id. */
export function widenSkew(skewMs: number, idTime: number, storedAt: number): number {
  const distance = Math.abs(idTime - storedAt);
  let widened = skewMs;
  while (distance > widened) widened *= 2;
  return widened;
}
