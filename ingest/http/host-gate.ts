import type { Context } from "../../core/context.ts";

/** A place among the requests under way. */
export interface Pass {
  /** Later passes have higher numbers. */
  number: number;
  leave(): void;
}

/** What all streams of a run share of one host: how many requests at once, and when none at all. */
export interface HostGate {
  /** Waits for a place. A repeated request goes before new ones. Rejects with the signal's reason. */
  enter(turn: { isRetry: boolean; signal: AbortSignal }): Promise<Pass>;
  /** The host refused a request as one too many: halves the places, once for the requests of one burst. */
  slowDown(pass: Pass): void;
  /** A request went well: a lost place comes back after some of these. */
  speedUp(): void;
  isPaused(): boolean;
  /** Nobody enters for this long. Resolves when the time is over. */
  pause(ms: number): Promise<void>;
  /** Everybody who waits, and whoever comes, gets this error. */
  shut(error: Error): void;
}

interface Waiter {
  admit(pass: Pass): void;
  refuse(error: unknown): void;
}

/** Answers in a row, for each place there is, that earn one more. */
const ANSWERS_PER_PLACE = 4;

export function createHostGate(ctx: Context, concurrency: number): HostGate {
  const waiting: Waiter[] = [];
  let places = concurrency;
  let [inFlight, pauses, answers, passes, lastSlowed] = [0, 0, 0, 0, 0];
  let shutBy: Error | undefined;

  const admit = () => {
    while (inFlight < places && pauses === 0) {
      const next = waiting.shift();
      if (next === undefined) return;
      inFlight += 1;
      passes += 1;
      next.admit({ number: passes, leave });
    }
  };
  const leave = () => {
    inFlight -= 1;
    admit();
  };
  return {
    enter: ({ isRetry, signal }) =>
      new Promise<Pass>((resolve, reject) => {
        if (shutBy !== undefined) return reject(shutBy);
        const waiter = waiterOf(signal, { resolve, reject }, () =>
          waiting.splice(waiting.indexOf(waiter), 1),
        );
        if (signal.aborted) return waiter.refuse(signal.reason);
        if (isRetry) waiting.unshift(waiter);
        else waiting.push(waiter);
        admit();
      }),
    slowDown: (pass) => {
      answers = 0;
      if (pass.number <= lastSlowed) return;
      lastSlowed = passes;
      places = Math.max(1, Math.floor(places / 2));
    },
    speedUp: () => {
      answers += 1;
      if (places === concurrency || answers < places * ANSWERS_PER_PLACE) return;
      places += 1;
      answers = 0;
    },
    isPaused: () => pauses > 0,
    pause: async (ms) => {
      pauses += 1;
      try {
        await ctx.clock.sleep(ms, ctx.signal);
      } finally {
        // Whoever was refused comes back to the head of the queue before anybody is let in.
        setImmediate(() => {
          pauses -= 1;
          admit();
        });
      }
    },
    shut: (error) => {
      shutBy = error;
      for (const waiter of waiting.splice(0)) waiter.refuse(error);
    },
  };
}

interface Settle {
  resolve(pass: Pass): void;
  reject(error: unknown): void;
}

function waiterOf(signal: AbortSignal, settle: Settle, remove: () => void): Waiter {
  const onAbort = () => {
    remove();
    settle.reject(signal.reason);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  return {
    admit: (pass) => {
      signal.removeEventListener("abort", onAbort);
      settle.resolve(pass);
    },
    refuse: (error) => {
      signal.removeEventListener("abort", onAbort);
      settle.reject(error);
    },
  };
}
