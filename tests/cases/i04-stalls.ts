import { parseFaults } from "../../moovitamix/faults.ts";
import { startApi } from "../../moovitamix/server.ts";
import { createWorld } from "../ingest/world.ts";
import { all, type Case, type Ground, none, type Report } from "./case.ts";
import { startProxy } from "./proxy.ts";

const ROUNDS = { quick: 1, full: 5 } as const;
const LIMITS = {
  quick: { idle_timeout_seconds: 1, timeout_seconds: 2 },
  full: { idle_timeout_seconds: 2, timeout_seconds: 4 },
} as const;
type Limits = (typeof LIMITS)["quick" | "full"];

interface Stall {
  name: string;
  /** Of the stand-in, or none where the connection itself stalls. */
  fault: string | undefined;
  setting: keyof Limits;
}

const stallsOf = ({ idle_timeout_seconds }: Limits): Stall[] => [
  { name: "nothing is sent", fault: "stall(where=start)@tracks/2", setting: "idle_timeout_seconds" },
  { name: "no body follows", fault: "stall(where=headers)@tracks/2", setting: "idle_timeout_seconds" },
  {
    name: "a byte now and then",
    fault: `stall(where=drip,ms=${idle_timeout_seconds * 400})@tracks/2`,
    setting: "timeout_seconds",
  },
  {
    name: "the body stops at 60 %",
    fault: "stall(where=body,at=0.6)@tracks/2",
    setting: "idle_timeout_seconds",
  },
  { name: "the connection is accepted and silent", fault: undefined, setting: "idle_timeout_seconds" },
];
const ATTEMPTS = 3;
/** Over the limit, as a share of it. */
const MOST_OVER = 0.1;

interface Found {
  failure: string | undefined;
  /** The longest attempt over its limit, as a share of it. */
  over: number;
  isTold: boolean;
}

/** I-04: the server stalls. Limits are of real time, and so is this. */
export const stallingServer: Case = {
  id: "I-04",
  run: async ({ size }: Ground): Promise<Report> => {
    const limits = LIMITS[size];
    const stalls = stallsOf(limits);
    const found: Found[] = [];
    for (let round = 0; round < ROUNDS[size]; round++)
      found.push(...(await Promise.all(stalls.map((stall) => stallOnce(stall, limits)))));
    const failures = found.flatMap(({ failure }) => failure ?? []);
    const over = Math.max(...found.map((one) => one.over));
    return {
      figures: [
        { name: "stalls", value: found.length },
        none("hangs", failures.filter((text) => text.includes("hangs")).length),
        { name: "longest_over_limit_percent", value: Math.round(over * 100), atMost: MOST_OVER * 100 },
        all("limit_and_setting_told", found.filter((one) => one.isTold).length, found.length),
      ],
      failures,
    };
  },
};

async function stallOnce({ name, fault, setting }: Stall, limits: Limits): Promise<Found> {
  const api = await startApi({ users: 10, tracks: 250, plays: 100, faults: parseFaults(fault ?? "") });
  const proxy = await startProxy(api, () => (fault === undefined ? { kind: "stall", bytes: 0 } : undefined));
  // An attempt lasts from one wait of the clock, which itself takes no time, to the next.
  const moments: number[] = [];
  const world = await createWorld({
    url: fault === undefined ? `http://127.0.0.1:${proxy.port}` : api.url,
    onSleep: () => void moments.push(performance.now()),
  });
  const limitMs = limits[setting] * 1000;
  try {
    const loading = world.loadOne("tracks", { ...limits, max_attempts: ATTEMPTS, concurrency: 1 });
    const patience = AbortSignal.timeout(limits.timeout_seconds * 1000 * ATTEMPTS * 2);
    const result = await Promise.race([
      loading,
      new Promise<undefined>((resolve) => patience.addEventListener("abort", () => resolve(undefined))),
    ]);
    if (result === undefined) return { failure: `${name}: hangs`, over: 0, isTold: false };
    const [beganAt = 0, endedAt = 0] = moments;
    const text = `${result.error?.message} ${result.error?.hint}`;
    const isTold =
      result.status === "failed" &&
      result.error?.exitCode === 1 &&
      text.includes(`${limits[setting]} s`) &&
      text.includes(`ingest: ${setting}`) &&
      /moovitamix\.tracks, page [12]/.test(text);
    return {
      failure: isTold ? undefined : `${name}: ${result.status}: ${text}`,
      over: (endedAt - beganAt - limitMs) / limitMs,
      isTold,
    };
  } finally {
    await proxy.stop();
    await api.stop();
    world.close();
  }
}
