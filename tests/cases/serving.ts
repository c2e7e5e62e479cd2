import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import Sqlite from "libsql";
import { firstLine } from "../../cli/stand-in.ts";
import { writeServingStore } from "../reco/serving-files.ts";
import type { Files, Projects } from "./folders.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const BARE = fileURLToPath(new URL("../../bench/bare-server.mjs", import.meta.url));
const GENERATOR = fileURLToPath(new URL("../../bench/load-generator.mjs", import.meta.url));

export const LIST = "/v1/users/u0/recommendations";

/** A project with prepared lists of the first version. */
export function servingProject(projects: Projects, { users = 50, files = {} as Files } = {}): string {
  const folder = projects.make(files);
  writeServingStore(servingFolder(folder), { name: "n1", version: 1, users });
  return folder;
}

export function servingFolder(folder: string): string {
  return join(folder, "data/serving");
}

export interface Server {
  url: string;
  pid: number;
  child: ChildProcess;
  /** Its exit code, or the signal that ended it. */
  ended: Promise<number | string | null>;
  /** Ends with SIGTERM. */
  stop(): Promise<number | string | null>;
  kill(): Promise<void>;
}

export interface ServerOptions {
  command?: string;
  args?: readonly string[];
  env?: Record<string, string>;
}

/** `run serve` in a process of its own. */
export async function startServing(
  cwd: string,
  { command = "serve", args = [], env = {} }: ServerOptions = {},
): Promise<Server> {
  return await start([MAIN, command, "--port", "0", ...args], { cwd, env });
}

/** Node's own server, which answers every request with one text. */
export function startBare(cwd: string, body: string): Promise<Server> {
  return start([BARE], { cwd, env: {}, input: body });
}

async function start(
  args: readonly string[],
  { cwd, env, input = "" }: { cwd: string; env: Record<string, string>; input?: string },
): Promise<Server> {
  const { PATH = "", HOME = "", TMPDIR = tmpdir() } = process.env;
  const child = spawn(process.execPath, args, {
    cwd,
    env: { PATH, HOME, TMPDIR, ...env },
    stdio: ["pipe", "pipe", "ignore"],
  });
  child.stdin.on("error", () => undefined).end(input);
  const ended = once(child, "exit").then(([code, signal]) => code ?? signal);
  const url = await firstLine(child);
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal);
    return ended;
  };
  return {
    ...{ url, pid: child.pid ?? 0, child, ended },
    stop: () => end("SIGTERM"),
    kill: async () => {
      await end("SIGKILL");
    },
  };
}

export interface Answered {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  ms: number;
}

export interface Asked {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

/** A way to send requests over kept connections; undefined when the connection broke. */
export function createClient(connections = 16) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  return {
    ask: (url: string, path: string, asked: Asked = {}) => ask(url + path, asked, agent),
    close: () => agent.destroy(),
  };
}

export type Client = ReturnType<typeof createClient>;

function ask(url: string, { method = "GET", headers = {}, body }: Asked, agent: Agent) {
  const from = performance.now();
  return new Promise<Answered | undefined>((resolve) => {
    const sent = request(url, { method, headers, agent, timeout: 20_000 }, (response) => {
      let text = "";
      response.on("data", (chunk) => (text += chunk.toString()));
      response.on("end", () =>
        resolve({
          ...{ status: response.statusCode ?? 0, headers: response.headers, text },
          ms: performance.now() - from,
        }),
      );
      response.on("error", () => resolve(undefined));
    });
    sent.on("error", () => resolve(undefined));
    sent.on("timeout", () => sent.destroy());
    sent.end(body);
  });
}

/** One event of feedback. */
export function feedbackOf(key: string, event: Record<string, unknown>): Asked {
  return {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify(event),
  };
}

/** What is stored, by key: how often, and the track. */
export function storedFeedback(file: string): Map<string, { times: number; track: string }> {
  if (!existsSync(file)) return new Map();
  const store = new Sqlite(file, { readonly: true });
  try {
    const rows = store
      .prepare("select key, count(*) as times, max(track_id) as track from feedback group by key")
      .all() as { key: string; times: number; track: string }[]; // its own table
    return new Map(rows.map(({ key, ...rest }) => [key, rest]));
  } finally {
    store.close();
  }
}

export interface Loaded {
  answers: number;
  errors: number;
  broken: number;
  unanswered: number;
  statuses: Record<string, number>;
  p50: number | null;
  p99: number | null;
  p999: number | null;
  /** The 99th percentile of the first tenth of the answers, and of the last. */
  first: number | null;
  last: number | null;
  /** Of the server, all its threads. */
  cpuMicros: number;
}

/** Sends requests from a process of its own: at a rate, or at rate 0 as many as are answered. */
export async function load(
  { url, pid }: Server,
  options: { lines: readonly string[]; rate: number; seconds: number; connections: number; count?: number },
): Promise<Loaded> {
  const before = cpuSeconds(pid);
  const { rate, seconds, connections, count } = options;
  const args = [GENERATOR, url, rate, seconds, connections, ...(count === undefined ? [] : [count])];
  const child = spawn(process.execPath, args.map(String), { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(options.lines.join("\n"));
  let text = "";
  for await (const chunk of child.stdout) text += chunk;
  const found = JSON.parse(text);
  return { ...found, cpuMicros: ((cpuSeconds(pid) - before) / Math.max(1, found.answers)) * 1e6 };
}

/** Linux counts in hundredths. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export function memoryMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

export async function until(isSo: () => boolean | Promise<boolean>, seconds: number): Promise<boolean> {
  const endMs = performance.now() + seconds * 1000;
  while (performance.now() < endMs) {
    if (await isSo()) return true;
    await delay(50);
  }
  return false;
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

export function rounded(value: number | null): number {
  return Number((value ?? 0).toFixed(2));
}
