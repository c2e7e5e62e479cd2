/** A reproducible source of chance. Only integer arithmetic, so that every platform draws the same numbers. */
export interface Random {
  /** At least 0, less than 1. */
  next(): number;
  /** From `min` to `max`, both included. */
  integer(min: number, max: number): number;
  chance(probability: number): boolean;
  /** Throws when the list is empty. */
  pick<T>(list: readonly T[]): T;
}

/** Equal seeds give equal sequences. */
export function createRandom(seed: string): Random {
  let state = hashText(seed);
  // Mulberry32.
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    integer: (min, max) => min + Math.floor(next() * (max - min + 1)),
    chance: (probability) => next() < probability,
    pick: (list) => {
      const item = list[Math.floor(next() * list.length)];
      if (item === undefined) throw new Error("nothing to pick from an empty list");
      return item;
    },
  };
}

/** The same items in another order; the list that came in stays as it is. */
export function shuffle<T>(list: readonly T[], random: Random): T[] {
  const order = list.map((item) => ({ item, rank: random.next() }));
  return order.sort((left, right) => left.rank - right.rank).map(({ item }) => item);
}

/** Ids in no visible order and each only once: five digits first, then six, and so on. */
export function createIds(random: Random): () => number {
  let from = 10_000;
  let unused = shuffleRange(from, random);
  return () => {
    if (unused.length === 0) {
      from *= 10;
      unused = shuffleRange(from, random);
    }
    const id = unused.pop();
    if (id === undefined) throw new Error("a range of ids is never empty");
    return id;
  };
}

function shuffleRange(from: number, random: Random): number[] {
  const numbers = Uint32Array.from({ length: from * 9 }, (_, index) => from + index);
  for (let last = numbers.length - 1; last > 0; last--) {
    const other = Math.floor(random.next() * (last + 1));
    const kept = numbers[last] ?? 0;
    numbers[last] = numbers[other] ?? 0;
    numbers[other] = kept;
  }
  return Array.from(numbers);
}

function hashText(text: string): number {
  // FNV-1a, then the finish of MurmurHash3, so that seeds 1 and 2 start far apart.
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
