/** Fewer say nothing about what is usual. */
const MIN_SAMPLES = 5;
/** What makes the median absolute deviation of normal values their standard deviation. */
const NORMAL = 1.4826;

/** NaN of an empty list. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export interface Usual {
  median: number;
  /** What takes longer takes longer than usual: by a quarter, a second and three deviations. */
  limit: number;
}

/** What the seconds of former times say; undefined while there are too few. */
export function usualOf(former: readonly number[]): Usual | undefined {
  if (former.length < MIN_SAMPLES) return undefined;
  const median = medianOf(former);
  const deviation = NORMAL * medianOf(former.map((value) => Math.abs(value - median)));
  return { median, limit: median + Math.max(0.25 * median, 1, 3 * deviation) };
}
