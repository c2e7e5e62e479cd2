import type { Context } from "../../core/context.ts";
import { createRequestRate, type RequestRate } from "./request-rate.ts";

/** A place among the requests under way. */
export interface Pass {
  /** Later passes have higher numbers. */
  number: number;
  leave(): void;
}

/** What all streams of a run share of one host: how many requests at once, how many a second, and when none at all. */
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

interface GateState {
  waiting: Waiter[];
  /** Requests at once: as many as the setting says, or fewer after a refusal. */
  places: number;
  inFlight: number;
  pauses: number;
  /** In a row, since a place was won or lost. */
  answers: number;
  passes: number;
  /** The last pass of the burst for which the places were halved. */
  lastSlowed: number;
  shutBy: Error | undefined;
  rate: RequestRate;
  /** Somebody will be let in as soon as the rate allows it. */
  isTimed: boolean;
}

/** Answers in a row, for each place there is, that earn one more. */
const ANSWERS_PER_PLACE = 4;

/** Requests that a host is sent. */
export interface HostBudget {
  /** At once. */
  concurrency: number;
  /** Null: as many as there are. */
  requestsPerSecond: number | null;
}

export function createHostGate(ctx: Context, { concurrency, requestsPerSecond }: HostBudget): HostGate {
  const counters = { inFlight: 0, pauses: 0, answers: 0, passes: 0, lastSlowed: 0 };
  const rate = createRequestRate(requestsPerSecond);
  const state: GateState = {
    waiting: [],
    places: concurrency,
    ...counters,
    shutBy: undefined,
    rate,
    isTimed: false,
  };
  return {
    enter: (turn) => enter(ctx, state, turn),
    slowDown: (pass) => slowDown(state, pass),
    speedUp: () => {
      state.answers += 1;
      if (state.places === concurrency || state.answers < state.places * ANSWERS_PER_PLACE) return;
      state.places += 1;
      state.answers = 0;
    },
    isPaused: () => state.pauses > 0,
    pause: (ms) => pause(ctx, state, ms),
    shut: (error) => {
      state.shutBy = error;
      for (const waiter of state.waiting.splice(0)) waiter.refuse(error);
    },
  };
}

function enter(
  ctx: Context,
  state: GateState,
  { isRetry, signal }: { isRetry: boolean; signal: AbortSignal },
): Promise<Pass> {
  return new Promise<Pass>((resolve, reject) => {
    if (state.shutBy !== undefined) return reject(state.shutBy);
    if (signal.aborted) return reject(signal.reason);
    const { waiting } = state;
    const remove = () => waiting.splice(waiting.indexOf(waiter), 1);
    const waiter = waiterOf(signal, { resolve, reject }, remove);
    if (isRetry) waiting.unshift(waiter);
    else waiting.push(waiter);
    admit(ctx, state);
  });
}

function admit(ctx: Context, state: GateState): void {
  while (state.inFlight < state.places && state.pauses === 0 && state.waiting.length > 0) {
    const nowMs = ctx.clock.now().getTime();
    const waitMs = state.rate.waitMs(nowMs);
    if (waitMs > 0) {
      admitLater(ctx, state, waitMs);
      return;
    }
    const next = state.waiting.shift();
    if (next === undefined) return;
    state.rate.begin(nowMs);
    state.inFlight += 1;
    state.passes += 1;
    next.admit({
      number: state.passes,
      leave: () => {
        state.inFlight -= 1;
        admit(ctx, state);
      },
    });
  }
}

function admitLater(ctx: Context, state: GateState, waitMs: number): void {
  if (state.isTimed) return;
  state.isTimed = true;
  const admitNow = () => {
    state.isTimed = false;
    admit(ctx, state);
  };
  // When all is stopped, each who waits hears of it by its own signal.
  ctx.clock.sleep(waitMs, ctx.signal).then(admitNow, () => {});
}

function slowDown(state: GateState, pass: Pass): void {
  state.answers = 0;
  if (pass.number <= state.lastSlowed) return;
  state.lastSlowed = state.passes;
  state.places = Math.max(1, Math.floor(state.places / 2));
}

async function pause(ctx: Context, state: GateState, ms: number): Promise<void> {
  state.pauses += 1;
  try {
    await ctx.clock.sleep(ms, ctx.signal);
  } finally {
    // Whoever was refused comes back to the head of the queue before anybody is let in.
    setImmediate(() => {
      state.pauses -= 1;
      admit(ctx, state);
    });
  }
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
  const forget = () => signal.removeEventListener("abort", onAbort);
  signal.addEventListener("abort", onAbort, { once: true });
  return {
    admit: (pass) => {
      forget();
      settle.resolve(pass);
    },
    refuse: (error) => {
      forget();
      settle.reject(error);
    },
  };
}
