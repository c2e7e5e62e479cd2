import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runInvocation } from "../../cli/program.ts";
import { type Clock, createContext } from "../../core/context.ts";
import { parseYaml } from "../../core/yaml.ts";
import { startApi } from "../../moovitamix/server.ts";
import { startRecommender } from "../../reco/serve/recommender.ts";
import { readRecoSettings } from "../../reco/settings.ts";
import { loadSchedule } from "../../schedule/jobs/load-jobs.ts";
import { openState } from "../../state/database.ts";
import { startServing } from "../../web/serving/server.ts";
import { createPopulation, type Population } from "./listeners.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;

export interface LifeOptions {
  /** An empty folder. */
  folder: string;
  users: number;
  seed: number;
  /** Of `reco:` in project.yml. */
  settings: string;
  /** Weeks that were listened before the first model. */
  weeks: number;
  /** What becomes of a reaction; for models that are bad in ways that no test sees. */
  spoils?: (version: number) => boolean;
}

/** What a week of life with the recommender was like. */
export interface Week {
  week: number;
  /** Whose lists were shown. */
  version: number;
  shown: number;
  successRate: number;
  /** What `run reco retrain` answered at its end. */
  // biome-ignore lint/suspicious/noExplicitAny: any JSON; the tests say what has to be in it
  retraining: any;
}

/** A project and its listeners, whose weeks pass in seconds: by the clock that all commands are given. */
export interface Life {
  population: Population;
  /** Milliseconds since 1970. */
  now: () => number;
  /** Runs a command with --json. */
  // biome-ignore lint/suspicious/noExplicitAny: any JSON; the tests say what has to be in it
  run(...args: string[]): Promise<any>;
  /** Lists are shown, listeners react and listen, and then the scheduler's job of recommendations has its turn. */
  liveWeek(): Promise<Week>;
  end(): Promise<void>;
}

/** Loads and builds what was listened before. No model is there yet: the job makes the first one. */
export async function startLife(options: LifeOptions): Promise<Life> {
  const { folder, users, seed, settings, weeks, spoils = () => false } = options;
  prepareProject(folder, settings);
  const start = Date.UTC(2026, 0, 5);
  let nowMs = start;
  const clock: Clock = { now: () => new Date(nowMs), sleep: async () => undefined };
  const population = createPopulation({ users, seed });
  const api = await startApi({ users: 0, tracks: 0, plays: 0 });
  const env = { MOOVITAMIX_URL: api.url };
  const pass = (ms: number) => {
    nowMs += ms;
  };
  const tell = () => Object.assign(api.data, population.data);
  const run = (...args: string[]) => runJson(args, { folder, clock, env });
  const work = async () => {
    tell();
    await run("ingest");
    await run("reco", "collect");
    await run("models");
    return jobSteps(folder, run);
  };
  for (let week = 0; week < weeks; week++) {
    population.listen(nowMs);
    pass(WEEK_MS);
  }
  pass(DAY_MS / 24);
  await work();
  let week = 0;
  return {
    population,
    now: () => nowMs,
    run,
    liveWeek: async () => {
      week++;
      const begin = nowMs - DAY_MS / 24;
      const listened = await showLists({ folder, clock, population, spoils });
      population.listen(begin);
      pass(WEEK_MS);
      return { week, ...listened, retraining: await work() };
    },
    end: () => api.stop(),
  };
}

function prepareProject(folder: string, settings: string): void {
  for (const part of ["project.yml", "profiles.yml", "models", "ingest/sources"]) {
    mkdirSync(join(folder, part, ".."), { recursive: true });
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  }
  const file = join(folder, "project.yml");
  const text = readFileSync(file, "utf8");
  // Models are tested on a week, so that a few weeks are enough to tell something.
  writeFileSync(file, `${text}\nvars: {reco_test_days: 7}\nreco: ${settings}\n`);
}

/** The steps of the job that this project has for its recommendations; answers what retraining said. */
async function jobSteps(folder: string, run: Life["run"]): Promise<unknown> {
  const { jobs } = loadSchedule(folder, () => null);
  const steps = jobs.find(({ name }) => name === "recommendations")?.steps ?? [];
  let said: unknown;
  for (const { command } of steps) {
    const answer = await run(...command);
    if (command.includes("retrain")) said = answer;
  }
  return said;
}

async function runJson(
  args: readonly string[],
  { folder, clock, env }: { folder: string; clock: Clock; env: Record<string, string> },
): Promise<unknown> {
  const written: string[] = [];
  const told: string[] = [];
  const outputTo = (lines: string[]) => ({
    isTty: false,
    write: (text: string) => void lines.push(text),
    flush: async () => undefined,
  });
  const exitCode = await runInvocation({
    argv: [...args, "--json"],
    cwd: folder,
    env,
    readLine: () => "",
    stdout: outputTo(written),
    stderr: outputTo(told),
    signal: new AbortController().signal,
    clock,
    version: "0.0.0",
    exitCode: 0,
  });
  if (exitCode !== 0) throw new Error(`run ${args.join(" ")} exits ${exitCode}:\n${told.join("")}`);
  return JSON.parse(written.join(""));
}

interface Showing {
  folder: string;
  clock: Clock;
  population: Population;
  spoils: (version: number) => boolean;
}

/** Every listener asks the API for a list and says what came of it. */
async function showLists({ folder, clock, population, spoils }: Showing) {
  const data = join(folder, "data");
  const ctx = createContext({ projectDir: folder, env: {}, sink: () => undefined, clock });
  const state = openState(join(data, "state.db"));
  const recommender = await startRecommender(ctx, {
    settings: readRecoSettings(parseYaml("project.yml", readFileSync(join(folder, "project.yml"), "utf8"))),
    state,
    folders: {
      projectDir: folder,
      serving: join(data, "serving"),
      feedbackFile: join(data, "feedback.db"),
    },
  });
  const access = { token: undefined, readToken: undefined, isLoopback: true, requestsPerSecond: 0 };
  const server = await startServing(
    {
      version: "0.0.0",
      recommender,
      access: { ...access, now: () => performance.now() },
      onFault: (error) => {
        throw error;
      },
    },
    { host: "127.0.0.1", port: 0 },
  );
  const sum = { version: 0, shown: 0, successes: 0 };
  try {
    for (const { id } of population.data.users) {
      const answer = await fetch(`${server.url}/v1/users/${id}/recommendations?k=10`);
      const { model_version, items } = (await answer.json()) as List; // as the API promises
      const request_id = answer.headers.get("x-request-id");
      sum.version = model_version;
      const sent = items.map(async ({ track_id, rank }) => {
        const { kind, listenedMs } = spoils(model_version)
          ? { kind: "skip", listenedMs: 1000 }
          : population.react(String(id), track_id);
        sum.shown++;
        if (kind === "listen") sum.successes++;
        const event = { user_id: String(id), track_id, kind, listened_ms: listenedMs, request_id };
        const reply = await fetch(`${server.url}/v1/feedback`, {
          method: "POST",
          headers: { "content-type": "application/json", "idempotency-key": `${request_id}-${rank}` },
          body: JSON.stringify({ ...event, shelf: "discover", position: rank }),
        });
        if (reply.status !== 201) throw new Error(await reply.text());
      });
      await Promise.all(sent);
    }
  } finally {
    await server.stop();
    await recommender.close();
    await state.destroy();
  }
  const { version, shown, successes } = sum;
  return { version, shown, successRate: shown === 0 ? 0 : successes / shown };
}

interface List {
  model_version: number;
  items: { track_id: string; rank: number }[];
}
