import type { Random } from "../../moovitamix/world/random.ts";
import {
  type PostgresServer,
  postgresPrograms,
  startPostgres,
  WHY_SKIPPED,
} from "../ingest/sql/postgres-server.ts";
import { type Case, type Ground, none, type Report } from "./case.ts";
import { type Ended, inPairs, runCommand } from "./command.ts";
import type { Files, Projects } from "./folders.ts";
import { startProxy } from "./proxy.ts";
import { sendJson, sendRecords, sourceFile, startServer } from "./sources.ts";

const NUMBERS = { quick: 1, full: 10 } as const;
const STREAMS = Array.from({ length: 10 }, (_, index) => `list_${index}`);
const RECORDS = 40;
const MOST_SIGN_INS = 2;
const OAUTH =
  '{ type: "oauth2_client_credentials", tokenUrl: "/token", clientId: "me", clientSecret: { env: "CLIENT_SECRET" } }';

/** What a service does that refuses a part of the requests. */
interface Refusals {
  /** Whether the sign-in with this number, from 1 on, gives a token. */
  signsIn(nth: number): boolean;
  /** The status for a page, asked for with the token of this sign-in as the service's so many-th page. */
  status(stream: string, token: number, nth: number): number;
}

interface Situation {
  name: string;
  refusals(random: Random): Refusals;
  /** Streams that have to fail; null: any, but not none. */
  failing: number | null;
}

const always = () => true;

const SITUATIONS: readonly Situation[] = [
  {
    name: "the token expires, a new one works",
    failing: 0,
    refusals: (random) => {
      const expiresAt = random.integer(2, 30);
      return { signsIn: always, status: (_, token, nth) => (token === 1 && nth >= expiresAt ? 401 : 200) };
    },
  },
  {
    name: "the token expires, the sign-in is refused",
    failing: null,
    refusals: (random) => {
      const expiresAt = random.integer(2, 30);
      return { signsIn: (nth) => nth === 1, status: (_, __, nth) => (nth >= expiresAt ? 401 : 200) };
    },
  },
  {
    name: "the token expires, no other one works",
    failing: null,
    refusals: (random) => {
      const expiresAt = random.integer(2, 30);
      return { signsIn: always, status: (_, __, nth) => (nth >= expiresAt ? 401 : 200) };
    },
  },
  {
    name: "one stream of ten is forbidden",
    failing: 1,
    refusals: (random) => {
      const forbidden = random.pick(STREAMS);
      return { signsIn: always, status: (stream) => (stream === forbidden ? 403 : 200) };
    },
  },
  {
    name: "every stream is refused",
    failing: STREAMS.length,
    refusals: () => ({ signsIn: always, status: () => 403 }),
  },
];

/** I-14: one part fails. */
export const onePartFails: Case = {
  id: "I-14",
  run: async ({ size, random, projects }: Ground): Promise<Report> => {
    const trials = SITUATIONS.flatMap((situation) =>
      Array.from({ length: NUMBERS[size] }, () => ({ situation, refusals: situation.refusals(random) })),
    );
    const findings = await inPairs(trials, (trial) => tryOne(projects, trial));
    const server = postgresPrograms() === undefined ? undefined : await startPostgres();
    try {
      if (server !== undefined) {
        await makeTables(server);
        for (let run = 0; run < NUMBERS[size]; run++)
          findings.push(await tryDropped(projects, server, random));
      }
    } finally {
      await server?.stop();
    }
    const sum = (key: "wrongExit" | "wrongStreams" | "fetchedAgain") =>
      findings.reduce((total, one) => total + one[key], 0);
    return {
      figures: [
        { name: "runs", value: findings.length },
        none("wrong_exit_codes", sum("wrongExit")),
        none("wrong_streams", sum("wrongStreams")),
        {
          name: "most_sign_ins",
          value: Math.max(...findings.map(({ signIns }) => signIns)),
          atMost: MOST_SIGN_INS,
        },
        none("fetched_again_of_finished_streams", sum("fetchedAgain")),
      ],
      failures: findings.flatMap(({ failures }) => failures),
      notRun: server === undefined ? [WHY_SKIPPED] : [],
    };
  },
};

interface Finding {
  wrongExit: number;
  wrongStreams: number;
  signIns: number;
  fetchedAgain: number;
  failures: string[];
}

async function tryOne(
  projects: Projects,
  { situation, refusals }: { situation: Situation; refusals: Refusals },
): Promise<Finding> {
  const cwd = projects.make(sourceFile("shop", STREAMS, { authentication: OAUTH }));
  const service = await startService(refusals);
  try {
    const env = { API_URL: service.url, CLIENT_SECRET: "a-client-secret" };
    const first = await runCommand(["ingest", "--json"], { cwd, env });
    const loaded = streamsOf(first.stdout, "ok");
    const { signIns } = service.seen;
    service.heal();
    const second = await runCommand(["ingest", "--failed", "--json"], { cwd, env });
    const again = service.seen.asked.filter((stream) => loaded.includes(stream)).length;
    return { ...judge(situation, first, second), signIns, fetchedAgain: again * RECORDS };
  } finally {
    await service.stop();
  }
}

/** Of the first run, and of the one that heals. */
function judge(
  { name, failing }: Pick<Situation, "name" | "failing">,
  first: Ended,
  second: Ended,
): Pick<Finding, "wrongExit" | "wrongStreams" | "failures"> {
  const loaded = streamsOf(first.stdout, "ok");
  const failed = streamsOf(first.stdout, "failed");
  const healed = streamsOf(second.stdout, "ok");
  const isExpected = failing === null ? failed.length > 0 : failed.length === failing;
  const failures = [
    ...(first.exitCode === (failed.length > 0 ? 1 : 0) && second.exitCode === 0
      ? []
      : [`exit ${first.exitCode}, then ${second.exitCode}: ${second.stderr.slice(-300)}`]),
    ...(isExpected && loaded.length + failed.length === STREAMS.length
      ? []
      : [`failed: ${failed.join(", ")}`]),
    ...(healed.join() === failed.join() ? [] : [`healed ${healed.join()}, not ${failed.join()}`]),
  ].map((what) => `${name}: ${what}`);
  return {
    wrongExit: failures.filter((text) => text.includes(": exit ")).length,
    wrongStreams: failures.filter((text) => !text.includes(": exit ")).length,
    failures,
  };
}

const ROWS = 2000;
/** Of a row on the wire, about. */
const ROW_BYTES = 250;

async function makeTables({ sql }: PostgresServer): Promise<void> {
  for (const name of STREAMS)
    await sql(
      `create table ${name} as select n as id, repeat(md5(n::text), 8) as text from generate_series(1, ${ROWS}) as n`,
    );
}

/** A database, of which the connection for one table of ten is dropped at a row, as often as it is made. */
async function tryDropped(projects: Projects, server: PostgresServer, random: Random): Promise<Finding> {
  const dropped = random.pick(STREAMS);
  const others = STREAMS.filter((name) => name !== dropped);
  const atByte = random.integer(1, ROWS) * ROW_BYTES;
  const seen = { bytes: 0, drops: 0, isHealed: false };
  const proxy = await startProxy(server, ({ nth }) =>
    // The rows come after some short answers.
    !seen.isHealed && nth > 1 ? { kind: "cut", bytes: atByte } : undefined,
  );
  try {
    const cwd = projects.make({
      ...databaseFile("steady", "STEADY_DB", others),
      ...databaseFile("shaky", "SHAKY_DB", [dropped]),
    });
    const url = server.url.replace(String(server.port), String(proxy.port));
    const env = { STEADY_DB: server.url, SHAKY_DB: url };
    const first = await runCommand(["ingest", "--json"], { cwd, env });
    const before = await readingsOf(server, others);
    seen.isHealed = true;
    const second = await runCommand(["ingest", "--failed", "--json"], { cwd, env });
    const again = (await readingsOf(server, others)) - before;
    const name = `the connection is dropped at byte ${atByte}`;
    return { ...judge({ name, failing: 1 }, first, second), signIns: 0, fetchedAgain: again };
  } finally {
    await proxy.stop();
  }
}

function databaseFile(name: string, variable: string, tables: readonly string[]): Files {
  const streams = tables.map(
    (table) => `{ name: "${table}", table: "${table}", key: ["id"], record: z.looseObject({}) }`,
  );
  return {
    [`ingest/sources/${name}.ts`]: `import { defineSource } from "sillon";
import { z } from "zod";
export const source = defineSource({
  type: "postgres", name: "${name}", connection: { env: "${variable}" },
  streams: [${streams.join(", ")}],
});
`,
  };
}

/** Rows that the server has read of the tables. */
async function readingsOf({ sql }: PostgresServer, tables: readonly string[]): Promise<number> {
  const names = tables.map((table) => `'${table}'`).join(", ");
  const [row] = await sql(
    `select pg_stat_clear_snapshot(), sum(seq_tup_read)::int as rows from pg_stat_user_tables where relname in (${names})`,
  );
  return Number(row?.rows);
}

function streamsOf(stdout: string, status: string): string[] {
  const { streams } = JSON.parse(stdout) as { streams: { stream: string; status: string }[] };
  return streams.filter((one) => one.status === status).map(({ stream }) => stream);
}

async function startService({ signsIn, status }: Refusals) {
  const seen = { signIns: 0, pages: 0, asked: [] as string[] };
  let isHealed = false;
  const { url, stop } = await startServer((request, response, asked) => {
    const stream = asked.pathname.slice(1);
    if (stream === "token") {
      seen.signIns++;
      if (isHealed || signsIn(seen.signIns))
        return sendJson(response, 200, { access_token: `access-token-${seen.signIns}` });
      return sendJson(response, 400, { error: "invalid_client" });
    }
    seen.asked.push(stream);
    const token = Number(request.headers.authorization?.split("-").pop());
    const code = isHealed ? 200 : status(stream, token, ++seen.pages);
    if (code === 200) sendRecords(response, asked, RECORDS);
    else sendJson(response, code, { detail: "refused" });
  });
  const heal = () => {
    isHealed = true;
    seen.asked.length = 0;
  };
  return { url, stop, seen, heal };
}
