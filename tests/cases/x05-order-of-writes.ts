import { once } from "node:events";
import { cpSync, mkdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { firstLine } from "../../cli/stand-in.ts";
import { startApi } from "../../moovitamix/server.ts";
import { writeServingStore } from "../reco/serving-files.ts";
import { type Case, type Ground, none, type Report } from "./case.ts";
import { FEED_STREAMS, feedProject, startFeed } from "./feed.ts";
import type { Files } from "./folders.ts";
import { createClient, feedbackOf } from "./serving.ts";
import { type Order, orderOfWrites, pathsIn, startTraced, whyNoTrace } from "./trace.ts";

const NUMBERS = { quick: { feedback: 20, isWhole: false }, full: { feedback: 2000, isWhole: true } } as const;
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * What may be lost when the power fails: what is made again from what is there (parsed and compiled SQL), what only
 * says something of a process that lives (locks and marks), what is put aside for a full disk, and logs.
 */
const NOT_DURABLE = [
  /^target\/(cache|compiled|run)(\/|$)/,
  /^data\/(lock|scheduler)\.db/,
  /^data\/builds\/.*\.open$/,
  /^data\/logs(\/|$)/,
  /-shm$/,
  /\.reserve$/,
  /\.duckdb\.tmp(\/|$)/,
];

interface Stage {
  cwd: string;
  trace: string;
  orders: Order[];
  failures: string[];
}

/** what is confirmed is on the disk by then, by the system calls of real commands. */
export const orderedWrites: Case = {
  id: "X-05",
  run: async ({ size, projects }: Ground): Promise<Report> => {
    const why = whyNoTrace();
    if (why !== undefined) return { figures: [], failures: [], notRun: [why] };
    const { feedback, isWhole } = NUMBERS[size];
    const orders: Order[] = [];
    const failures: string[] = [];
    const stageOf = (files: Files): Stage => ({
      cwd: realpathSync(projects.make(files)),
      trace: join(projects.make({}), "trace"),
      ...{ orders, failures },
    });
    const shop = stageOf(project());
    await buildAll(shop);
    await serveFeedback(shop, feedback);
    if (isWhole) await recommend(stageOf({}));
    const files = new Set(orders.flatMap((order) => [...order.files]));
    const found = {
      missing: orders.flatMap(({ missingSyncs }) => missingSyncs),
      early: orders.flatMap(({ early }) => early),
      folders: orders.flatMap(({ missingFolderSyncs }) => missingFolderSyncs),
    };
    return {
      figures: [
        { name: "commands", value: orders.length },
        { name: "files", value: files.size },
        { name: "confirmations", value: orders.reduce((sum, order) => sum + order.confirmations, 0) },
        none("missing_syncs", found.missing.length),
        none("confirmations_before_the_sync", found.early.length),
        none("missing_folder_syncs", found.folders.length),
      ],
      failures: [...failures, ...found.missing, ...found.early, ...found.folders],
    };
  },
};

function project(): Files {
  return {
    ...feedProject("", { pageSize: 100 }),
    "project.yml": "name: shop\nschema_names: exact\npublish: {select: '*', keep: 2}\n",
    "schedule.yml": JSON.stringify({ jobs: { tables: { steps: [{ run: "models --no-reuse" }] } } }),
    "models/sources.yml": "sources:\n  - {name: feed, schema: raw_feed, tables: [{name: a}]}\n",
    "models/records.sql": "select record from {{ source('feed', 'a') }}\n",
    "models/more.sql":
      "{{ config(materialized='incremental') }}\nselect id, range as nth from {{ ref('colors') }}, range(1000)\n",
    "seeds/colors.csv": "id,name\n1,red\n2,blue\n",
    "models/schema.yml": "models:\n  - name: more\n    columns: [{name: id, data_tests: [not_null]}]\n",
  };
}

/** From nothing: every file is new to begin with, and is written anew later. */
async function buildAll(stage: Stage): Promise<void> {
  const feed = await startFeed();
  const fill = (version: number) => {
    for (const stream of FEED_STREAMS)
      feed.lists.set(
        stream,
        Array.from({ length: 300 }, (_, id) => ({ id, version })),
      );
  };
  try {
    for (const version of [1, 2]) {
      fill(version);
      await traced(stage, ["ingest"], { FEED_URL: feed.url });
      await traced(stage, ["build", "--no-reuse"]);
      await traced(stage, ["publish"]);
    }
    await traced(stage, ["docs", "generate"]);
    await traced(stage, ["export", "more", "--output", "out/more.parquet"]);
  } finally {
    await feed.stop();
  }
}

async function traced(
  stage: Stage,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<void> {
  const known = pathsIn(stage.cwd);
  const { child, calls } = startTraced(args, { cwd: stage.cwd, env, trace: stage.trace });
  let stderr = "";
  child.stderr?.on("data", (chunk) => (stderr += chunk));
  child.stdout?.resume();
  const [exit] = await once(child, "close");
  if (exit !== 0) stage.failures.push(`run ${args.join(" ")}: exit ${exit}: ${stderr}`);
  judge(stage, { calls: await calls(), known, what: `run ${args.join(" ")}` });
}

function judge(
  { cwd, orders }: Stage,
  { calls, known, what }: { calls: string; known: ReadonlySet<string>; what: string },
): void {
  const order = orderOfWrites(calls, {
    folder: cwd,
    known,
    isDurable: (path) => !NOT_DURABLE.some((pattern) => pattern.test(path)),
    record: join(cwd, "data/state.db-wal"),
  });
  const told = (texts: readonly string[]) => [...new Set(texts)].map((text) => `${what}: ${text}`);
  orders.push({
    ...order,
    missingSyncs: told(order.missingSyncs),
    early: told(order.early),
    missingFolderSyncs: told(order.missingFolderSyncs),
  });
}

/** Feedback to `run serve`, and to `run up` while it runs a job. */
async function serveFeedback(stage: Stage, count: number): Promise<void> {
  const { cwd, failures } = stage;
  writeServingStore(join(cwd, "data/serving"), { name: "n1", version: 1 });
  for (const command of ["serve", "up"]) {
    const known = pathsIn(cwd);
    const { child, calls } = startTraced([command, "--port", "0"], { cwd, trace: stage.trace });
    child.stderr?.resume();
    const url = await firstLine(child);
    const client = createClient();
    let confirmed = 0;
    const send = async (key: number) => {
      const event = { user_id: "u1", track_id: "t1", kind: "like" };
      const answer = await client.ask(url, "/v1/feedback", feedbackOf(`${command}-${key}`, event));
      confirmed += answer?.status === 201 ? 1 : 0;
    };
    // One after another: of those that are sent at once the next are being written when the first are confirmed.
    for (let key = 0; key < count; key++) await send(key);
    if (command === "up") {
      const headers = { "content-type": "application/json" };
      await client.ask(url, "/api/jobs/tables/trigger", { method: "POST", headers });
      for (let isOn = true; isOn; ) {
        const answer = await client.ask(url, "/api/runs?job=tables");
        isOn = JSON.parse(answer?.text ?? "{}").runs?.[0]?.ended_at === null;
      }
    }
    client.close();
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    const [exit] = await ended;
    if (exit !== 0) failures.push(`run ${command}: exit ${exit}`);
    const text = await calls();
    const before = stage.orders.length;
    judge(stage, { calls: text, known, what: `run ${command}` });
    const answers = text.match(/HTTP\/1\.1 201/g)?.length ?? 0;
    if (confirmed !== count || answers < count || stage.orders.length === before)
      failures.push(`run ${command}: ${confirmed} of ${count} were confirmed, ${answers} answers were seen`);
  }
}

/** The project of this repository, from listens to a model and to lists. */
async function recommend(stage: Stage): Promise<void> {
  for (const part of ["project.yml", "profiles.yml", "models", "tests/data", "ingest/sources"]) {
    mkdirSync(join(stage.cwd, part, ".."), { recursive: true });
    cpSync(join(ROOT, part), join(stage.cwd, part), { recursive: true });
  }
  const api = await startApi({ seed: 3, users: 250, tracks: 300, plays: 12_000 });
  try {
    await traced(stage, ["pipeline"], { MOOVITAMIX_URL: api.url });
    await traced(stage, ["reco", "train"]);
    await traced(stage, ["reco", "infer"]);
    await traced(stage, ["reco", "infer", "--full"]);
    await traced(stage, ["reco", "show", "1", "--output", "card.md"]);
    await traced(stage, ["reco", "export", "--output", "handed"]);
  } finally {
    await api.stop();
  }
}
