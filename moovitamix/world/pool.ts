import type { Random } from "./random.ts";

/** Items that are drawn the more often the heavier they are. */
export interface Pool<T> {
  items: T[];
  /** At each place the weight of all items up to there. */
  sums: number[];
}

export function createPool<T>(): Pool<T> {
  return { items: [], sums: [] };
}

export function addToPool<T>(pool: Pool<T>, item: T, weight: number): void {
  pool.items.push(item);
  pool.sums.push((pool.sums.at(-1) ?? 0) + weight);
}

export function drawFromPool<T>(pool: Pool<T>, random: Random): T | undefined {
  const point = random.next() * (pool.sums.at(-1) ?? 0);
  let low = 0;
  let high = pool.sums.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((pool.sums[middle] ?? 0) > point) high = middle;
    else low = middle + 1;
  }
  return pool.items[low];
}
