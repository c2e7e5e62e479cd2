/** A gate that lets so many requests through within any second; answers the seconds to wait, 0 for none. */
export function createRateLimit(perSecond: number | undefined): (nowMs: number) => number {
  let passed: number[] = [];
  return (nowMs) => {
    if (perSecond === undefined) return 0;
    passed = passed.filter((atMs) => atMs > nowMs - 1000);
    const [oldest = nowMs] = passed;
    if (passed.length >= perSecond) return Math.max(1, Math.ceil((oldest + 1000 - nowMs) / 1000));
    passed.push(nowMs);
    return 0;
  };
}
