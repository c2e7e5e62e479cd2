import { parseFaults } from "../../moovitamix/faults.ts";
import { type Api, startApi } from "../../moovitamix/server.ts";
import { createRandom, type Random } from "../../moovitamix/world/random.ts";
import { postgresPrograms, startPostgres, WHY_SKIPPED } from "../ingest/sql/postgres-server.ts";
import { all, type Case, type Ground, none, type Report } from "./case.ts";
import { runCommand } from "./command.ts";
import type { Files } from "./folders.ts";
import { startProxy, type Turn, type WireFault } from "./proxy.ts";
import { readRows } from "./read.ts";

const NUMBERS = {
  quick: { runs: 1, records: 1000, delayMs: 300 },
  full: { runs: 20, records: 9000, delayMs: 2000 },
} as const;
type Numbers = (typeof NUMBERS)["quick" | "full"];
const [FAILING, RESET, DELAYED] = [0.1, 0.05, 0.05];
/** About as long as an answer. */
const ANSWER_BYTES = 20_000;
const MOST_PER_PAGE = 1.6;
const [TOGETHER_MS, MOST_TOGETHER] = [50, 5];
const SQL_STREAMS = ["a", "b", "c", "d", "e", "f"] as const;

interface Trial {
  failures: string[];
  requests: number;
  pages: number;
  /** Retries of different streams, two and two: all of them, and those within the same 50 ms. */
  pairs: { all: number; together: number };
}

/** I-05: one answer in five fails, is cut by a reset, or is late: from a service and from a database. */
export const randomFaults: Case = {
  id: "I-05",
  run: async (ground: Ground): Promise<Report> => {
    const numbers = NUMBERS[ground.size];
    const trials: Record<"rest" | "sql", Trial[]> = { rest: [], sql: [] };
    for (let run = 0; run < numbers.runs; run++)
      trials.rest.push(await tryService(ground, numbers, ground.random.integer(1, 1e9)));
    const server = postgresPrograms() === undefined ? undefined : await startPostgres();
    try {
      if (server !== undefined) {
        for (const name of SQL_STREAMS)
          await server.sql(
            `create table ${name} as select n as id, repeat(md5(n::text), 8) as text from generate_series(1, ${numbers.records}) as n`,
          );
        for (let run = 0; run < numbers.runs; run++)
          trials.sql.push(
            await tryDatabase(ground, server, { ...numbers, seed: ground.random.integer(1, 1e9) }),
          );
      }
    } finally {
      await server?.stop();
    }
    const both = [...trials.rest, ...trials.sql];
    const failures = both.flatMap((trial) => trial.failures);
    const count = (word: string) => failures.filter((text) => text.includes(word)).length;
    const well = (some: Trial[]) => some.filter((trial) => trial.failures.length === 0).length;
    return {
      figures: [
        all("rest_runs_well", well(trials.rest), numbers.runs),
        all("sql_runs_well", well(trials.sql), trials.sql.length),
        none("lost", count("lost")),
        none("doubled", count("doubled")),
        { name: "requests_per_page", value: perPage(trials.rest), atMost: MOST_PER_PAGE },
        { name: "readings_per_table", value: perPage(trials.sql), atMost: MOST_PER_PAGE },
        // The few retries of one run say nothing about chance.
        {
          name: "retries_together_percent",
          value: together(trials.rest),
          ...(ground.size === "full" ? { atMost: MOST_TOGETHER } : {}),
        },
      ],
      failures,
      notRun: server === undefined ? [WHY_SKIPPED] : [],
    };
  },
};

/** The dearest of the runs. */
function perPage(trials: readonly Trial[]): number {
  return Math.round(Math.max(0, ...trials.map(({ requests, pages }) => requests / pages)) * 100) / 100;
}

function together(trials: readonly Trial[]): number {
  const sum = (key: "all" | "together") => trials.reduce((total, { pairs }) => total + pairs[key], 0);
  return sum("all") === 0 ? 0 : Math.round((sum("together") / sum("all")) * 1000) / 10;
}

/** Resets and delays by chance, on the wire. */
function chance(random: Random, delayMs: number): (turn: Turn) => WireFault | undefined {
  return () => {
    const drawn = random.next();
    if (drawn < RESET) return { kind: "reset", bytes: random.integer(0, ANSWER_BYTES) };
    return drawn < RESET + DELAYED ? { kind: "delay", ms: delayMs } : undefined;
  };
}

async function tryService({ projects }: Ground, { records, delayMs }: Numbers, seed: number): Promise<Trial> {
  const api = await startApi({ seed, users: records / 2, tracks: records, plays: records * 3 });
  api.faults = parseFaults(`5xx=${FAILING}`);
  const proxy = await startProxy(api, chance(createRandom(`${seed}`), delayMs));
  try {
    const cwd = projects.make(SERVICE);
    const env = { MOOVITAMIX_URL: `http://127.0.0.1:${proxy.port}` };
    const { exitCode, stderr } = await runCommand(["ingest"], { cwd, env });
    const place = `service, seed ${seed}`;
    const failures = exitCode === 0 ? [] : [`${place}: exit ${exitCode}: ${stderr.slice(-500)}`];
    let pages = 0;
    for (const stream of ["tracks", "users", "listen_history"] as const) {
      const expected = api.data[stream].map((record) => JSON.stringify(record));
      pages += Math.ceil(expected.length / 100);
      failures.push(
        ...(await compare(cwd, `raw_moovitamix.${stream}`, expected)).map((what) => `${place}: ${what}`),
      );
    }
    return { failures, requests: api.requests.length, pages, pairs: pairsOf(api) };
  } finally {
    await proxy.stop();
    await api.stop();
  }
}

const SERVICE: Files = {
  "ingest/sources/moovitamix.ts": `import { defineSource } from "sillon";
import { z } from "zod";
const record = z.looseObject({});
export const source = defineSource({
  name: "moovitamix", baseUrl: { env: "MOOVITAMIX_URL" }, pageSize: 100,
  streams: [
    { name: "tracks", path: "/tracks", key: ["id"], record },
    { name: "users", path: "/users", key: ["id"], record },
    { name: "listen_history", path: "/listen_history", key: ["user_id", "created_at"], record },
  ],
});
`,
};

/** Requests for a page that was asked for before are retries. */
function pairsOf({ requests }: Api): Trial["pairs"] {
  const seen = new Set<string>();
  const retries = requests.filter(({ path, page }) => {
    const name = `${path} ${page}`;
    return seen.has(name) || !seen.add(name);
  });
  const pairs = { all: 0, together: 0 };
  for (const [index, one] of retries.entries())
    for (const other of retries.slice(index + 1)) {
      if (one.path === other.path) continue;
      pairs.all++;
      if (Math.floor(one.at / TOGETHER_MS) === Math.floor(other.at / TOGETHER_MS)) pairs.together++;
    }
  return pairs;
}

/** What is lost and what is doubled of a stream whose records are known. */
async function compare(cwd: string, table: string, expected: readonly string[]): Promise<string[]> {
  const rows = await readRows(`${cwd}/data/warehouse.duckdb`, `select record from ${table}_latest`);
  const landed = new Set(rows.map(([record]) => String(record)));
  const lost = expected.filter((record) => !landed.has(record)).length;
  const found = [];
  if (lost > 0) found.push(`lost in ${table}: ${lost}`);
  if (landed.size !== rows.length || rows.length > expected.length)
    found.push(`doubled in ${table}: ${rows.length} rows`);
  return found;
}

async function tryDatabase(
  { projects }: Ground,
  server: { url: string; port: number },
  { records, delayMs, seed }: { records: number; delayMs: number; seed: number },
): Promise<Trial> {
  const random = createRandom(`${seed}`);
  // Of a connection, not of each answer: one reading asks ten times before its rows come.
  const lots = new Map<number, number>();
  const proxy = await startProxy(server, ({ connection, nth }) => {
    const drawn = lots.get(connection) ?? random.next();
    lots.set(connection, drawn);
    if (drawn < FAILING) return nth === 1 ? { kind: "reset", bytes: 0 } : undefined;
    // The rows come after about eight short answers.
    if (drawn < FAILING + RESET)
      return nth > 7 ? { kind: "reset", bytes: random.integer(0, ANSWER_BYTES) } : undefined;
    return drawn < FAILING + RESET + DELAYED && nth === 2 ? { kind: "delay", ms: delayMs } : undefined;
  });
  try {
    const cwd = projects.make(DATABASE);
    const url = server.url.replace(String(server.port), String(proxy.port));
    const { exitCode, stderr } = await runCommand(["ingest"], { cwd, env: { SHOP_DB: url } });
    const place = `database, seed ${seed}`;
    const failures = exitCode === 0 ? [] : [`${place}: exit ${exitCode}: ${stderr.slice(-500)}`];
    for (const name of SQL_STREAMS) {
      const file = `${cwd}/data/warehouse.duckdb`;
      const [[rows, keys] = []] = await readRows(
        file,
        `select count(*), count(distinct _key) from raw_shop.${name}_latest where md5(json_extract_string(record, '$.id')) = left(json_extract_string(record, '$.text'), 32)`,
      );
      if (Number(keys) < records) failures.push(`${place}: lost in ${name}: ${records - Number(keys)}`);
      if (Number(rows) !== Number(keys)) failures.push(`${place}: doubled in ${name}`);
    }
    const pairs = { all: 0, together: 0 };
    return { failures, requests: proxy.connections, pages: SQL_STREAMS.length, pairs };
  } finally {
    await proxy.stop();
  }
}

const DATABASE: Files = {
  "ingest/sources/shop.ts": `import { defineSource } from "sillon";
import { z } from "zod";
export const source = defineSource({
  type: "postgres", name: "shop", connection: { env: "SHOP_DB" },
  streams: [${SQL_STREAMS.map((name) => `{ name: "${name}", table: "${name}", key: ["id"], record: z.looseObject({}) }`).join(", ")}],
});
`,
};
