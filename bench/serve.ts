import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createStore, makeCurrent, writeMeta } from "../reco/serve/store.ts";

const MAIN = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const BARE = fileURLToPath(new URL("./bare-server.mjs", import.meta.url));
const GENERATOR = fileURLToPath(new URL("./load-generator.mjs", import.meta.url));
const USERS = 10_000;
const TRACKS = 10_000;

/** The serving API at 300 requests a second, at its limit beside a bare Node server, and its memory. */
export async function benchServe(seconds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "sillon-bench-"));
  const children: ChildProcess[] = [];
  try {
    writeProject(folder);
    const ours = await start(children, [MAIN, "serve", "--port", "0"], folder);
    // Nine of ten users are known.
    const paths = Array.from(
      { length: 20_000 },
      (_, place) => `/v1/users/u${(place * 7919) % Math.round(USERS / 0.9)}/recommendations?k=10`,
    );
    const body = await (await fetch(`${ours.url}${paths[1]}`)).text();
    const bare = await start(children, [BARE], folder, body);
    const steady = await load(ours, { paths, rate: 300, seconds, connections: 64 });
    const { answers, errors, p50, p99, p999 } = steady;
    console.log(
      `300 requests/s: ${answers} answers, ${errors} errors, p50 ${ms(p50)}, p99 ${ms(p99)}, p99.9 ${ms(p999)}`,
    );
    const ratios: number[] = [];
    const memory: number[] = [];
    for (let round = 0; round < 5; round++) {
      const limits = { paths, rate: 0, seconds: seconds / 5, connections: 64 };
      const [own, least] = [await load(ours, limits), await load(bare, limits)];
      ratios.push(least.cpuPerAnswer / own.cpuPerAnswer);
      memory.push(memoryMb(ours.pid));
      console.log(
        `limit: ${own.answers} answers (${(own.cpuPerAnswer * 1e6).toFixed(0)} µs CPU each), bare ${least.answers} (${(least.cpuPerAnswer * 1e6).toFixed(0)} µs), ratio ${ratios.at(-1)?.toFixed(2)}, ${own.errors} errors, ${memory.at(-1)?.toFixed(0)} MB`,
      );
    }
    const median = ratios.sort((left, right) => left - right)[2] ?? 0;
    console.log(`prepared lists: ${median.toFixed(2)} × a bare server, by CPU time an answer (at least 0.5)`);
  } finally {
    for (const child of children) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}

function ms(value: number | null): string {
  return `${value?.toFixed(1) ?? "–"} ms`;
}

function writeProject(folder: string): void {
  mkdirSync(join(folder, "data"), { recursive: true });
  writeFileSync(join(folder, "project.yml"), "name: shop\n");
  writeFileSync(
    join(folder, "profiles.yml"),
    "shop: {target: dev, outputs: {dev: {type: duckdb, path: data/warehouse.duckdb, schema: main}}}\n",
  );
  const serving = join(folder, "data", "serving");
  const store = createStore(serving, "a");
  const items = (from: number) =>
    JSON.stringify(
      Array.from({ length: 30 }, (_, place) => ({
        rank: place + 1,
        track_id: `t${(from * 31 + place * 17) % TRACKS}`,
        title: `Title of track ${place}`,
        artist: `Artist ${place}`,
        score: 1 - place / 100,
        why: `because you play track ${from}`,
      })),
    );
  store.exec("begin");
  const list = store.prepare("insert into lists values (?, ?, ?)");
  const user = store.prepare("insert into users values (?, 'all', 1)");
  const track = store.prepare("insert into tracks values (?, ?, 'Artist', '[]')");
  for (let number = 0; number < USERS; number++) {
    user.run(`u${number}`);
    for (const shelf of ["discover", "on_repeat"]) list.run(`u${number}`, shelf, items(number));
  }
  for (let number = 0; number < TRACKS; number++) track.run(`t${number}`, `Title ${number}`);
  store.prepare("insert into fallbacks values ('all', ?)").run(items(0));
  const times = { cutoff: "2026-01-01 00:00:00", created_at: "2026-01-01T00:00:00.000Z" };
  const names = { format: 1, inference_id: "a", model_version: 1, basis: "b" } as const;
  writeMeta(store, { ...names, ...times, expires_at: "2099-01-01T00:00:00.000Z", users: USERS });
  store.exec("commit");
  store.close();
  makeCurrent(serving, { name: "a", version: 1, keep: 1 });
}

interface Running {
  url: string;
  pid: number;
}

async function start(
  children: ChildProcess[],
  args: readonly string[],
  cwd: string,
  input = "",
): Promise<Running> {
  const child = spawn(process.execPath, args, { cwd, stdio: ["pipe", "pipe", "ignore"] });
  children.push(child);
  child.stdin.end(input);
  const [line] = await once(child.stdout, "data");
  return { url: String(line).trim(), pid: child.pid ?? 0 };
}

interface Loaded {
  answers: number;
  errors: number;
  p50: number | null;
  p99: number | null;
  p999: number | null;
  cpuPerAnswer: number;
}

async function load(
  { url, pid }: Running,
  {
    paths,
    rate,
    seconds,
    connections,
  }: { paths: string[]; rate: number; seconds: number; connections: number },
): Promise<Loaded> {
  const before = cpuSeconds(pid);
  const args = [GENERATOR, url, String(rate), String(seconds), String(connections)];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(paths.join("\n"));
  let text = "";
  for await (const chunk of child.stdout) text += chunk;
  const found = JSON.parse(text);
  return { ...found, cpuPerAnswer: (cpuSeconds(pid) - before) / found.answers };
}

/** Of a process so far, all its threads; Linux counts in hundredths. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function memoryMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}
