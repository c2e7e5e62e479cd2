import { type Case, type Figure, none, type Report, type Size } from "./case.ts";
import type { Projects } from "./folders.ts";
import { listenToSomething, SCORED, scoringProject } from "./scoring.ts";
import {
  type Loaded,
  load,
  rounded,
  type Server,
  servingProject,
  startBare,
  startServing,
} from "./serving.ts";

const NUMBERS = {
  quick: { users: 50, seconds: 1, rounds: 1 },
  full: { users: 2_000, seconds: 60, rounds: 5 },
} as const;
const CONNECTIONS = 64;
const RATE = 300;

/** Nine of ten users are known. */
function listsOf(users: number): string[] {
  return Array.from(
    { length: 5_000 },
    (_, place) => `/v1/users/u${(place * 7919) % Math.round(users / 0.9)}/recommendations?k=10`,
  );
}

/** Times are judged with full numbers alone: a machine that does something else would fail the quick ones. */
function bound(size: Size, atMost: number): { atMost?: number } {
  return size === "full" ? { atMost } : {};
}

/** L-01: a steady load. */
export const steadyLoad: Case = {
  id: "L-01",
  run: async ({ size, projects }): Promise<Report> => {
    const { users, seconds } = NUMBERS[size];
    const server = await startServing(servingProject(projects, { users }));
    try {
      const options = { lines: listsOf(users), rate: RATE, seconds, connections: CONNECTIONS };
      const found = await load(server, options);
      return {
        figures: [
          { name: "answers", value: found.answers },
          { name: "p50_ms", value: rounded(found.p50) },
          { name: "p99_ms", value: rounded(found.p99), ...bound(size, 20) },
          { name: "p999_ms", value: rounded(found.p999), ...bound(size, 75) },
          none("errors", found.errors),
        ],
        failures: found.answers === 0 ? ["nothing was answered"] : [],
      };
    } finally {
      await server.kill();
    }
  },
};

/** L-02: the limit, beside a bare Node server with an equal body. */
export const limitOfLoad: Case = {
  id: "L-02",
  run: async ({ size, projects }): Promise<Report> => {
    const { users, rounds } = NUMBERS[size];
    const folder = servingProject(projects, { users });
    const server = await startServing(folder);
    const lines = listsOf(users);
    const body = await (await fetch(`${server.url}${lines[1]}`)).text();
    const bare = await startBare(folder, body);
    try {
      const options = { lines, rate: 0, seconds: size === "full" ? 6 : 0.5, connections: CONNECTIONS };
      const ratios: number[] = [];
      let errors = 0;
      for (let round = 0; round < rounds; round++) {
        const [own, least] = [await load(server, options), await load(bare, options)];
        ratios.push(own.cpuMicros / least.cpuMicros);
        errors += own.broken + own.unanswered;
      }
      const middle = ratios.sort((left, right) => left - right)[Math.floor(rounds / 2)] ?? 0;
      return {
        figures: [
          { name: "cpu_of_a_bare_server", value: rounded(middle), ...bound(size, 2) },
          { name: "highest_rate", value: size === "full" ? await highestRate(server, lines) : 0 },
          none("broken_or_unanswered", errors),
          ...(await scoring(projects, size)),
        ],
        failures: [],
      };
    } finally {
      await bare.kill();
      await server.kill();
    }
  },
};

/** 800 lists a second of one core. */
const SCORED_CPU_MS = 1.25;

/** Of more at once some are turned away, as each takes its millisecond: that is V-05's. */
const FEW_CONNECTIONS = 16;

/** Lists that are made on the fly, from all that a user has played and has listened to since. */
async function scoring(projects: Projects, size: Size): Promise<Figure[]> {
  const { rounds } = NUMBERS[size];
  const server = await startServing(await scoringProject(projects));
  try {
    await listenToSomething(server);
    const found: Loaded[] = [];
    for (let round = 0; round < rounds; round++) {
      const part = Math.floor(SCORED.length / rounds);
      const lines = SCORED.slice(round * part, (round + 1) * part);
      const seconds = size === "full" ? 6 : 0.5;
      found.push(await load(server, { lines, rate: 0, seconds, connections: FEW_CONNECTIONS }));
    }
    const cpuMs = Math.min(...found.map(({ cpuMicros }) => cpuMicros)) / 1000;
    const errors = found.reduce((sum, one) => sum + one.errors, 0);
    return [
      { name: "scoring_cpu_ms", value: rounded(cpuMs), ...bound(size, SCORED_CPU_MS) },
      { name: "scored_a_second", value: Math.round(1000 / cpuMs) },
      none("scoring_errors", errors),
    ];
  } finally {
    await server.kill();
  }
}

/** The last at which p99 was within 50 ms and nothing failed. */
async function highestRate(server: Server, lines: readonly string[]): Promise<number> {
  const isHeld = ({ p99, errors }: Loaded) => errors === 0 && (p99 ?? Number.POSITIVE_INFINITY) <= 50;
  let highest = 0;
  for (let rate = 500; rate <= 20_000; rate = Math.round(rate * 1.25)) {
    if (!isHeld(await load(server, { lines, rate, seconds: 3, connections: CONNECTIONS }))) break;
    highest = rate;
  }
  return highest;
}
