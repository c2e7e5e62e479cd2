/** Tells whether more requests come than can be answered. */
export interface LoadMeter {
  /** Counts a request, and says whether it should be turned away at once. */
  isOverloaded(): boolean;
  stop(): void;
}

const EVERY_MS = 25;
/** Work that came waits so long before it is looked at. */
const MAX_LAG_MS = 80;
/** Fewer requests between two looks are no load: then it is the machine that is busy with something else. */
const FEW = 100;

/** By how late a timer is: what came before it was served first. */
export function startLoadMeter(now: () => number = () => performance.now()): LoadMeter {
  let due = now() + EVERY_MS;
  let lag = 0;
  let count = 0;
  let former = 0;
  const timer = setInterval(() => {
    lag = Math.max(now() - due, lag / 2);
    due = now() + EVERY_MS;
    [former, count] = [count, 0];
  }, EVERY_MS);
  timer.unref();
  return {
    isOverloaded: () => {
      count++;
      if (Math.max(count, former) < FEW) return false;
      return lag > MAX_LAG_MS || now() - due > 2 * MAX_LAG_MS;
    },
    stop: () => clearInterval(timer),
  };
}
