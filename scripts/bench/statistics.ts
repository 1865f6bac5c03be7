/** The value in the middle; of an even number of values the mean of the two. Throws for none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error("median: there are no values");
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? 0;
  if (!Number.isInteger(middle)) return upper;
  return ((sorted[middle - 1] ?? 0) + upper) / 2;
}

/** The smallest value that at least `share` of all values do not exceed; `share` from 0 to 1. Throws for none. */
export function percentile(values: Readonly<ArrayLike<number>>, share: number): number {
  if (values.length === 0) throw new Error("percentile: there are no values");
  const sorted = Float64Array.from(values).sort();
  const rank = Math.ceil(share * sorted.length);
  return sorted[Math.min(Math.max(rank, 1), sorted.length) - 1] ?? 0;
}

/** Slope of the straight line that fits the points best. 0 for fewer than two. */
export function slope(points: readonly { readonly x: number; readonly y: number }[]): number {
  if (points.length < 2) return 0;
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, { y }) => sum + y, 0) / points.length;
  const covariance = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0);
  const variance = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  return variance === 0 ? 0 : covariance / variance;
}
