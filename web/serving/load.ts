/** Tells whether more requests come than can be answered. */
export interface LoadMeter {
  /** Counts a request, and says whether it should be turned away at once. */
  isOverloaded(): boolean;
}

/** Those that come in one turn of the event loop wait for each other; these are served so long. */
const BUDGET_MS = 20;
/** Fewer in a turn are not what makes it long: then the machine is busy with something else. */
const FEW = 32;
/** One long turn is a stall, which passes by itself; a queue that stands for so long does not. */
const STANDING_MS = 250;

/**
 * Turns away what comes after the budget of a turn, when turns have been longer than that for a while, be it one turn or
 * many. It ends with the first turn that is short again.
 */
export function createLoadMeter(
  now: () => number = () => performance.now(),
  afterTurn: (end: () => void) => void = setImmediate,
): LoadMeter {
  let begun: number | undefined;
  let count = 0;
  let longSince: number | undefined;
  const end = () => {
    const isLong = count >= FEW && now() - (begun ?? 0) > BUDGET_MS;
    longSince = isLong ? (longSince ?? begun) : undefined;
    begun = undefined;
    count = 0;
  };
  return {
    isOverloaded: () => {
      count++;
      if (begun === undefined) {
        begun = now();
        afterTurn(end);
        return false;
      }
      if (count < FEW) return false;
      const at = now();
      return at - begun > BUDGET_MS && at - (longSince ?? begun) > STANDING_MS;
    },
  };
}
