/** Keeps requests apart, so that no more of them begin in any second than are allowed. */
export interface RequestRate {
  /** Milliseconds until one more may begin; 0 when it may now. */
  waitMs(nowMs: number): number;
  begin(nowMs: number): void;
}

/** Below one a second it is one in so many seconds. Null: as many as there are. */
export function createRequestRate(perSecond: number | null): RequestRate {
  if (perSecond === null) return { waitMs: () => 0, begin: () => {} };
  const count = Math.max(1, Math.floor(perSecond));
  const windowMs = Math.ceil((count / perSecond) * 1000);
  /** When the latest ones began, as many as a window may hold. */
  let begun: number[] = [];
  return {
    waitMs: (nowMs) => {
      const [oldest] = begun;
      return begun.length < count || oldest === undefined ? 0 : Math.max(0, oldest + windowMs - nowMs);
    },
    begin: (nowMs) => {
      begun = [...begun, nowMs].slice(-count);
    },
  };
}
