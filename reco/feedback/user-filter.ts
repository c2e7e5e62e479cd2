/** A set of users in one megabyte, however many they are: never wrong about who is in it, seldom about who is not. */
export interface UserFilter {
  add(user: string): void;
  mayHave(user: string): boolean;
}

const BITS = 23;

/** A Bloom filter with one hash. */
export function createUserFilter(): UserFilter {
  const bits = new Uint8Array(2 ** (BITS - 3));
  return {
    add: (user) => {
      const place = placeOf(user);
      bits[place >> 3] = (bits[place >> 3] ?? 0) | (1 << (place & 7));
    },
    mayHave: (user) => {
      const place = placeOf(user);
      return ((bits[place >> 3] ?? 0) & (1 << (place & 7))) !== 0;
    },
  };
}

/** FNV-1a, folded. */
function placeOf(user: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < user.length; at++) hash = Math.imul(hash ^ user.charCodeAt(at), 0x01000193);
  return ((hash >>> BITS) ^ hash) & (2 ** BITS - 1);
}
