import { parseFaults } from "../../moovitamix/faults.ts";
import { startApi } from "../../moovitamix/server.ts";
import type { Random } from "../../moovitamix/world/random.ts";
import { createWorld } from "../ingest/world.ts";
import { all, type Case, type Ground, none, type Report } from "./case.ts";
import { runCommand } from "./command.ts";
import { FEED_STREAMS, feedProject, second, startFeed } from "./feed.ts";
import type { Projects } from "./folders.ts";
import { differences } from "./i01-killed-full.ts";
import { readRows } from "./read.ts";

const ROUNDS = { quick: 1, full: 5 } as const;
const CAP_MS = 300_000;
/** And the first page again, at the end: whether the list is still the same. */
const PAGES = 3;

interface Form {
  name: string;
  /** As the stand-in's faults write it. */
  header: string;
  /** What the server asks for; undefined: what cannot be read, or asks for nothing. */
  waitMs?: number;
}

const FORMS: readonly Form[] = [
  { name: "seconds", header: "7", waitMs: 7000 },
  { name: "date", header: "date+9", waitMs: 9000 },
  { name: "absent", header: "absent" },
  { name: "zero", header: "0" },
  { name: "negative", header: "-5" },
  { name: "no_number", header: "soon" },
  { name: "day", header: "86400", waitMs: 86_400_000 },
];

interface Found {
  form: string;
  early: number;
  requests: number;
  longestWaitMs: number;
  failures: string[];
}

/** I-06: 429 with Retry-After in every form. The clock leaps, so that hours cost nothing. */
export const tooManyRequests: Case = {
  id: "I-06",
  run: async ({ size, random, projects }: Ground): Promise<Report> => {
    const found: Found[] = [];
    for (let round = 0; round < ROUNDS[size]; round++)
      for (const form of FORMS) found.push(await refuse(form, random));
    const resumed = await resumeAfterDay(projects, random);
    const failures = [...found.flatMap((one) => one.failures), ...resumed];
    const requestsOf = (name: string) =>
      found.filter(({ form }) => form === name).reduce((total, { requests }) => total + requests, 0);
    return {
      figures: [
        { name: "runs", value: found.length },
        none(
          "early_requests",
          found.reduce((total, { early }) => total + early, 0),
        ),
        ...FORMS.map(({ name }) => ({ name: `requests_${name}`, value: requestsOf(name) })),
        {
          name: "longest_wait_seconds",
          value: Math.max(...found.map(({ longestWaitMs }) => longestWaitMs)) / 1000,
          atMost: CAP_MS / 1000,
        },
        all("as_expected", found.filter((one) => one.failures.length === 0).length, found.length),
        none("not_resumed", resumed.length),
      ],
      failures,
    };
  },
};

/** One page is refused once or a few times; asked for is one page after the other. */
async function refuse({ name, header, waitMs }: Form, random: Random): Promise<Found> {
  const clock = { now: () => new Date(0) };
  const [page, times] = [random.integer(1, PAGES), random.integer(1, 3)];
  const api = await startApi({ users: 10, tracks: PAGES * 100, plays: 100, now: () => clock.now() });
  const world = await createWorld({ url: api.url });
  clock.now = () => world.ctx.clock.now();
  const failures: string[] = [];
  try {
    const first = await world.loadOne("tracks");
    if (first.status !== "ok") failures.push(`${name}: the first load: ${first.error?.message}`);
    const former = (await world.texts("tracks")).join();
    for (const track of api.data.tracks) track.name = `${track.id} again`;
    api.requests.splice(0);
    world.sleeps.splice(0);
    api.faults = parseFaults(`429(retry-after=${header})@tracks/${page}x${times}`);
    const result = await world.loadOne("tracks", { concurrency: 1 });
    const refused = api.requests.flatMap(({ status, at }, index) => (status === 429 ? [{ index, at }] : []));
    const early = refused.filter(({ index, at }) => {
      const next = api.requests[index + 1];
      return next !== undefined && next.at < at + (waitMs ?? 1);
    }).length;
    const requests = api.requests.length;
    const longestWaitMs = Math.max(0, ...world.sleeps);
    const isBeyond = (waitMs ?? 0) > CAP_MS;
    const texts = (await world.texts("tracks")).join();
    if (!isBeyond && (result.status !== "ok" || texts === former || requests > PAGES + 1 + times))
      failures.push(`${name}: ${result.status} after ${requests} requests: ${result.error?.message}`);
    if (isBeyond) {
      const until = new Date((refused[0]?.at ?? 0) + (waitMs ?? 0)).toISOString();
      const { code, exitCode, hint = "" } = result.error ?? {};
      const isTold = code === "API_RATE_LIMITED" && exitCode === 1 && hint.includes(until);
      if (!isTold || refused.length !== 1 || texts !== former)
        failures.push(`${name}: ${code} after ${refused.length} refusals: ${hint}`);
      api.faults = [];
      if ((await world.loadOne("tracks")).status !== "ok") failures.push(`${name}: the next run fails`);
    }
    return { form: name, early, requests, longestWaitMs, failures };
  } finally {
    world.close();
    await api.stop();
  }
}

/** An incremental stream that is told to wait for a day keeps what it had committed, and goes on from there. */
async function resumeAfterDay(projects: Projects, random: Random): Promise<string[]> {
  const feed = await startFeed();
  const env = { FEED_URL: feed.url };
  const cwd = projects.make(
    feedProject('mode: "incremental", cursor: { field: "at", parameter: "since", ordered: true }', {
      pageSize: 20,
      settings: "commit_records: 40, concurrency: 1",
    }),
  );
  try {
    for (const stream of FEED_STREAMS)
      feed.lists.set(
        stream,
        Array.from({ length: 400 }, (_, id) => ({ id, at: second(id) })),
      );
    let left = random.integer(25, 40);
    feed.onRequest = (_, response) => {
      if (left-- > 0) return false;
      response.writeHead(429, { "retry-after": "86400" }).end();
      return true;
    };
    const stopped = await runCommand(["ingest"], { cwd, env });
    const rows = await committedRows(cwd);
    feed.onRequest = () => false;
    feed.sent = 0;
    const next = await runCommand(["ingest"], { cwd, env });
    const failures = (await differences(cwd, feed)).map((what) => `after the next run: ${what}`);
    if (stopped.exitCode !== 1 || !/run again after \d{4}-/.test(stopped.stderr + stopped.stdout))
      failures.push(`stopped with ${stopped.exitCode}: ${stopped.stderr.slice(-300)}`);
    if (next.exitCode !== 0) failures.push(`the next run ended with ${next.exitCode}`);
    // What is of a part that was not committed is asked for again, and a page where the cursor stands.
    if (rows === 0 || feed.sent > 3 * (400 + 40) - rows)
      failures.push(`${rows} committed, and ${feed.sent} records asked for again`);
    return failures;
  } finally {
    await feed.stop();
  }
}

async function committedRows(cwd: string): Promise<number> {
  let total = 0;
  for (const stream of FEED_STREAMS) {
    const [[count] = []] = await readRows(
      `${cwd}/data/warehouse.duckdb`,
      `select count(*) from raw_feed.${stream}_latest`,
    ).catch(() => [["0"]]);
    total += Number(count);
  }
  return total;
}
