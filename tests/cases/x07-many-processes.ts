import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Random } from "../../moovitamix/world/random.ts";
import { writeServingStore } from "../reco/serving-files.ts";
import { type Case, type Ground, none, type Report } from "./case.ts";
import { type Ended, runCommand, type Started, startCommand } from "./command.ts";
import { FEED_STREAMS, type FeedServer, feedProject, startFeed } from "./feed.ts";
import { readAlong, readRows } from "./read.ts";
import {
  type Client,
  createClient,
  feedbackOf,
  rounded,
  type Server,
  startServing,
  storedFeedback,
} from "./serving.ts";

const NUMBERS = {
  quick: { races: 3, kills: 1, seconds: 7 },
  full: { races: 100, kills: 50, seconds: 600 },
} as const;
const RECORDS = 200;
const USERS = 50;

/** One row for each time that it was built. */
const LEDGER = `{{ config(materialized='incremental') }}
select {{#if (is_incremental)}}(select max(nth) from {{ this }}) + 1{{else}}1{{/if}} as nth
`;

/** many processes at once on one store. */
export const manyProcesses: Case = {
  id: "X-07",
  run: async (ground: Ground): Promise<Report> => {
    const { races, kills, seconds } = NUMBERS[ground.size];
    const feed = await startFeed();
    for (const stream of FEED_STREAMS)
      feed.lists.set(
        stream,
        Array.from({ length: RECORDS }, (_, id) => ({ id })),
      );
    const stage: Stage = { cwd: ground.projects.make(project()), feed, failures: [], random: ground.random };
    const found = { bothWrote: 0, staleLocks: 0, slowestRefusal: 0 };
    try {
      await must(stage, "build");
      for (let race = 0; race < races; race++) {
        const { bothWrote, refusalSeconds } = await raceTwo(stage, RACES[race % RACES.length] ?? RACES[0]);
        found.bothWrote += bothWrote ? 1 : 0;
        found.slowestRefusal = Math.max(found.slowestRefusal, refusalSeconds);
      }
      for (let kill = 0; kill < kills; kill++) found.staleLocks += await killHolder(stage);
      const together = await allTogether(stage, seconds);
      return {
        figures: [
          { name: "races", value: races },
          none("both_wrote", found.bothWrote),
          { name: "longest_refusal_s", value: rounded(found.slowestRefusal) },
          { name: "kills", value: kills },
          none("stale_locks", found.staleLocks),
          ...together,
          none("wrong_exit_codes", stage.failures.filter((text) => text.includes("exit")).length),
        ],
        failures: stage.failures,
      };
    } finally {
      await feed.stop();
    }
  },
};

interface Stage {
  cwd: string;
  feed: FeedServer;
  failures: string[];
  random: Random;
}

function project() {
  const step = (run: string) => ({ every: "2s", overlap: "skip", steps: [{ run }] });
  return {
    ...feedProject("", { pageSize: 100 }),
    "project.yml": "name: shop\nschema_names: exact\npublish: {select: '*', keep: 2}\n",
    "schedule.yml": JSON.stringify({ jobs: { load: step("ingest"), tables: step("models --no-reuse") } }),
    "models/ledger.sql": LEDGER,
    "models/numbers.sql": "select range as number from range(1000)\n",
    "models/schema.yml":
      "models:\n  - name: ledger\n    columns: [{name: nth, data_tests: [unique, not_null]}]\n",
  };
}

async function must({ cwd, feed }: Stage, ...args: string[]): Promise<Ended> {
  const ended = await runCommand(args, { cwd, env: { FEED_URL: feed.url } });
  if (ended.exitCode !== 0)
    throw new Error(`run ${args.join(" ")} ended with ${ended.exitCode}: ${ended.stderr}`);
  return ended;
}

/** When each command was at the service, by the first part of the paths that it asked for. */
type Visits = Map<string, { from: number; until: number }>;

/** Answers after a moment, so that a command holds the project for a while. */
function answerSlowly({ feed }: Stage, waitMs: number): Visits {
  const visits: Visits = new Map();
  feed.onRequest = (request: IncomingMessage, response: ServerResponse) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
    const [, who = "", stream = ""] = pathname.split("/");
    const visit = visits.get(who) ?? { from: performance.now(), until: 0 };
    visits.set(who, visit);
    const page = Number(searchParams.get("page"));
    const size = Number(searchParams.get("size"));
    const all = feed.lists.get(stream) ?? [];
    const items = all.slice((page - 1) * size, page * size);
    const body = { items, total: all.length, page, size, pages: Math.ceil(all.length / size) };
    setTimeout(() => {
      visit.until = performance.now();
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(body));
    }, waitMs);
    return true;
  };
  return visits;
}

const RACES = [
  ["ingest", "--full", "--no-wait"],
  ["models", "--no-reuse", "--no-wait"],
  ["ingest", "--full"],
] as const satisfies readonly (readonly string[])[];

/** Two equal commands at the same moment: the second waits, or is refused and told who holds the project. */
async function raceTwo(
  stage: Stage,
  args: readonly string[],
): Promise<{ bothWrote: boolean; refusalSeconds: number }> {
  const { cwd, feed, failures, random } = stage;
  const visits = answerSlowly(stage, 150);
  const before = await ledger(cwd);
  const start = (who: string) => startCommand(args, { cwd, env: { FEED_URL: `${feed.url}/${who}` } });
  const one = start("one");
  await delay(random.next() * 30);
  const two = start("two");
  const [first, second] = await Promise.all([one.ended, two.ended]);
  const written = (await ledger(cwd)) - before;
  const pairs = [
    { ended: first, other: two },
    { ended: second, other: one },
  ];
  const refused = pairs.filter(({ ended }) => ended.exitCode === 3);
  const done = pairs.filter(({ ended }) => ended.exitCode === 0);
  const text = args.join(" ");
  if (
    done.length === 0 ||
    done.length + refused.length < 2 ||
    (refused.length > 0 && !text.includes("no-wait"))
  )
    failures.push(
      `two "${text}": exit ${first.exitCode} and ${second.exitCode}: ${first.stderr} ${second.stderr}`,
    );
  for (const { ended, other } of refused) failures.push(...untold(ended, other, text));
  const [here, there] = [visits.get("one"), visits.get("two")];
  const isOverlap =
    here !== undefined && there !== undefined && here.from < there.until && there.from < here.until;
  const isTorn = args[0] === "models" && written !== done.length;
  if (isTorn) failures.push(`two "${text}": ${done.length} ended well and ${written} rows were written`);
  return {
    bothWrote: isOverlap || isTorn,
    refusalSeconds: Math.max(0, ...refused.map(({ ended }) => ended.seconds)),
  };
}

/** Who is refused is told pid, command and start of the one that holds the project. */
function untold({ stderr }: Ended, holder: Started, text: string): string[] {
  const found = /held by "run (\w+)" \(pid (\d+), started \d{4}-\d\d-\d\dT[\d:.]+Z\)/.exec(stderr);
  return found !== null && found[1] === text.split(" ")[0] && Number(found[2]) === holder.pid
    ? []
    : [`"${text}" was refused without the name of its holder, pid ${holder.pid}: ${stderr.trim()}`];
}

async function ledger(cwd: string): Promise<number> {
  const [row] = await readRows(join(cwd, "data/warehouse.duckdb"), "select count(*) from main.ledger");
  return Number(row?.[0]);
}

/** Returns 1 when a command met the lock of a dead one. */
async function killHolder(stage: Stage): Promise<number> {
  const { cwd, feed, failures } = stage;
  const visits = answerSlowly(stage, 5_000);
  const env = { FEED_URL: `${feed.url}/holder` };
  const holder = startCommand(["ingest", "--full"], { cwd, env });
  while (!visits.has("holder") && holder.isRunning()) await delay(5);
  const models = ["models", "--no-reuse"];
  const refused = await runCommand([...models, "--no-wait"], { cwd });
  if (refused.exitCode !== 3) failures.push(`a second writer: exit ${refused.exitCode}: ${refused.stderr}`);
  else failures.push(...untold(refused, holder, "ingest"));
  const waiting = startCommand(models, { cwd });
  await delay(300);
  holder.signal("SIGKILL");
  await holder.ended;
  const waited = await waiting.ended;
  if (waited.exitCode !== 0) failures.push(`who waited: exit ${waited.exitCode}: ${waited.stderr}`);
  const again = answerSlowly(stage, 5_000);
  const next = startCommand(["ingest", "--full"], { cwd, env });
  while (!again.has("holder") && next.isRunning()) await delay(5);
  next.signal("SIGKILL");
  await next.ended;
  const after = await runCommand([...models, "--no-wait"], { cwd });
  if (after.exitCode !== 0) failures.push(`after a kill: exit ${after.exitCode}: ${after.stderr}`);
  return after.exitCode === 3 || waited.exitCode === 3 ? 1 : 0;
}

const WRITES = ["ingest", "models --no-reuse", "build --no-reuse", "publish", "test"] as const;
const READS = ["show numbers", "history", "ls", "show ledger", "job ls", "doctor"] as const;
const OF_UP = ["/health", "/metrics", "/api/jobs", "/api/runs", "/api/metrics", "/api/models"] as const;

/** Scheduler, its routes, serving, and a user's commands. */
async function allTogether(stage: Stage, seconds: number) {
  const { cwd, feed, failures } = stage;
  answerSlowly(stage, 20);
  await must(stage, "publish");
  writeServingStore(join(cwd, "data/serving"), { name: "n1", version: 1, users: USERS });
  const env = { FEED_URL: `${feed.url}/up` };
  const up = await startServing(cwd, { command: "up", env });
  const serve = await startServing(cwd);
  const client = createClient();
  const seen: Seen = { requests: 0, errors: 0, longestMs: 0, confirmed: new Set() };
  const reader = readAlong(
    join(cwd, "data/published/latest.duckdb"),
    "select count(*) from main.numbers",
    50,
  );
  const endMs = performance.now() + seconds * 1000;
  const isOn = () => performance.now() < endMs;
  try {
    const [writes, reads] = await Promise.all([
      commands(stage, WRITES, isOn),
      commands(stage, READS, isOn),
      ask(stage, { client, server: up, paths: [...OF_UP, "/v1/users/u1/recommendations"], seen, isOn }),
      ask(stage, {
        client,
        server: serve,
        paths: ["/v1/users/u2/recommendations", "/v1/health"],
        seen,
        isOn,
      }),
    ]);
    const files = await reader.stop();
    failures.push(...files.missing.map((why) => `the latest release: ${why}`));
    for (const server of [up, serve]) {
      const exit = await server.stop();
      // 143 when a job was going on.
      if (exit !== 0 && exit !== 143) failures.push(`a server: exit ${exit}`);
    }
    const jobs = await jobsOf(stage);
    const stored = storedFeedback(join(cwd, "data/feedback.db"));
    return [
      { name: "together_s", value: seconds },
      { name: "commands", value: writes.length + reads.length },
      { name: "jobs_run", value: jobs },
      { name: "requests", value: seen.requests },
      { name: "reads_of_releases", value: files.count },
      none("lock_errors_shown", seen.errors),
      none("feedback_lost", [...seen.confirmed].filter((key) => stored.get(key)?.times !== 1).length),
      { name: "longest_read_wait_s", value: rounded(seen.longestMs / 1000), atMost: 10 },
      {
        name: "longest_read_command_s",
        value: rounded(Math.max(0, ...reads.map((ended) => ended.seconds))),
      },
    ];
  } finally {
    client.close();
    await Promise.all([up.kill(), serve.kill(), reader.stop()]);
  }
}

/** One after another, as a user gives them; every one ends well. */
async function commands(
  { cwd, feed, failures, random }: Stage,
  texts: readonly string[],
  isOn: () => boolean,
): Promise<Ended[]> {
  const all: Ended[] = [];
  while (isOn()) {
    const text = random.pick(texts);
    const ended = await runCommand(text.split(" "), { cwd, env: { FEED_URL: `${feed.url}/user` } });
    if (ended.exitCode !== 0) failures.push(`run ${text}: exit ${ended.exitCode}: ${ended.stderr}`);
    all.push(ended);
    await delay(random.next() * 300);
  }
  return all;
}

interface Seen {
  requests: number;
  errors: number;
  longestMs: number;
  /** Keys of feedback. */
  confirmed: Set<string>;
}

interface Asking {
  client: Client;
  server: Server;
  paths: readonly string[];
  seen: Seen;
  isOn: () => boolean;
}

/** Each path in turn, and feedback after each. */
async function ask({ failures }: Stage, { client, server, paths, seen, isOn }: Asking): Promise<void> {
  for (let number = 0; isOn(); number++) {
    const path = paths[number % paths.length] ?? "/health";
    const key = `${server.pid}-${number}`;
    const event = { user_id: "u1", track_id: "t1", kind: "like" };
    const answers = [
      { what: path, expected: 200, answer: await client.ask(server.url, path) },
      {
        what: "feedback",
        expected: 201,
        answer: await client.ask(server.url, "/v1/feedback", feedbackOf(key, event)),
      },
    ];
    for (const { what, expected, answer } of answers) {
      seen.requests++;
      seen.longestMs = Math.max(seen.longestMs, answer?.ms ?? 0);
      if (answer?.status === expected) continue;
      seen.errors++;
      failures.push(`${what}: ${answer?.status} ${answer?.text.slice(0, 300)}`);
    }
    if (answers[1]?.answer?.status === 201) seen.confirmed.add(key);
    await delay(40);
  }
}

/** How many runs of jobs there were; each ended well, was left out because the one before went on, or was stopped at the end. */
async function jobsOf({ cwd, failures }: Stage): Promise<number> {
  const { stdout } = await runCommand(["history", "--json", "--limit", "100000"], { cwd });
  const { runs } = JSON.parse(stdout) as {
    runs: { job: string | null; status: string; reason: string | null }[];
  };
  const ofJobs = runs.filter(({ job }) => job !== null);
  for (const { job, status, reason } of ofJobs)
    if (!["success", "skipped", "interrupted"].includes(status)) failures.push(`${job} ${status}: ${reason}`);
  return ofJobs.filter(({ status }) => status === "success").length;
}
