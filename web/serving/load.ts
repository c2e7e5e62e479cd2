/** Tells whether the process has more to do than it can. */
export interface LoadMeter {
  isOverloaded(): boolean;
  stop(): void;
}

const EVERY_MS = 25;
/** Work that came waits so long before it is looked at. */
const MAX_LAG_MS = 80;

/** By how late a timer is: what came before it was served first. */
export function startLoadMeter(now: () => number = () => performance.now()): LoadMeter {
  let due = now() + EVERY_MS;
  let lag = 0;
  const timer = setInterval(() => {
    const late = Math.max(0, now() - due);
    lag = Math.max(late, lag / 2);
    due = now() + EVERY_MS;
  }, EVERY_MS);
  timer.unref();
  return {
    isOverloaded: () => lag > MAX_LAG_MS || now() - due > 2 * MAX_LAG_MS,
    stop: () => clearInterval(timer),
  };
}
