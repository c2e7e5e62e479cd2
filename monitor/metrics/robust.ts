/** What makes the median absolute deviation of normal values their standard deviation. */
const NORMAL = 1.4826;

/** NaN of an empty list. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** The spread of values about their median: their standard deviation, which a few odd ones do not change. */
export function deviationFrom(median: number, values: readonly number[]): number {
  return NORMAL * medianOf(values.map((value) => Math.abs(value - median)));
}
