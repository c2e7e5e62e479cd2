import { deviationFrom, medianOf } from "../metrics/robust.ts";

/** Fewer say nothing about what is usual. */
const MIN_SAMPLES = 5;

export interface Usual {
  median: number;
  /** What takes longer takes longer than usual: by a quarter, a second and three deviations. */
  limit: number;
}

/** What the seconds of former times say; undefined while there are too few. */
export function usualOf(former: readonly number[]): Usual | undefined {
  if (former.length < MIN_SAMPLES) return undefined;
  const median = medianOf(former);
  const deviation = deviationFrom(median, former);
  return { median, limit: median + Math.max(0.25 * median, 1, 3 * deviation) };
}
