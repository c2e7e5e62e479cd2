// `npm run bench -- ingest [records]`: a list over HTTP into raw tables, beside a bare download of it; with --peers beside
// dlt and a loader written by hand in Python.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installLoaders, measureLoader } from "./loaders.ts";
import { measureNode, type Usage } from "./measure.ts";

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const MAIN = file("../dist/cli/main.js");
const PAGE_RECORDS = 100;
const AT_ONCE = 8;
const DELAY_MS = 50;
const DELAYED_RECORDS = 200_000;

/** What the list's records are held to is what moovitamix's are. */
function sourceText(cursor: string): string {
  return `import { defineSource } from "sillon";
import { z } from "zod";
const integer = z.number().refine((value) => Number.isInteger(value) && Math.abs(value) < 2 ** 63, "expected an integer of 64 bits");
const timestamp = z.iso.datetime({ local: true, offset: true });
export const source = defineSource({
  name: "music",
  baseUrl: { env: "BENCH_API" },
  streams: [{
    name: "listen_history", path: "/listen_history", key: ["user_id", "created_at"], updatedAt: "updated_at",${cursor}
    record: z.looseObject({ user_id: integer.nullable(), items: z.array(integer).nullable(), created_at: timestamp, updated_at: timestamp }),
  }],
});
`;
}

const CURSOR = ` mode: "incremental", cursor: { field: "updated_at", parameter: "since" },`;

export async function benchIngest(records: number, { peers }: { peers: boolean }): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "sillon-bench-ingest-"));
  const server = await startPageServer(records);
  process.env.BENCH_API = server.url;
  try {
    const bare = () =>
      measureNode(
        [file("./bare-download.mjs"), server.url, String(records / PAGE_RECORDS), String(AT_ONCE)],
        folder,
      );
    const project = (name: string, cursor = "") => {
      writeProject(join(folder, name), cursor);
      return () => measureNode([MAIN, "ingest", "--quiet"], join(folder, name));
    };
    const [full, incremental] = [project("full"), project("incremental", CURSOR)];
    const download = show("bare download", bare(), records);
    const first = show("run ingest, all new", full(), records);
    ratio("peak memory, MB", first.peakMb, "<= 300");
    ratio("CPU against the bare download", first.cpuSeconds / download.cpuSeconds);
    const again = show("run ingest, nothing changed", full(), records);
    ratio("wall against the bare download", again.wallSeconds / bare().wallSeconds, "<= 1.1");
    const all = show("run ingest by a cursor, all new", incremental(), records);
    await set(server.url, `changed=${records / 100}`);
    const changed = show("run ingest by a cursor, 1 % changed", incremental(), records / 100);
    ratio("CPU against all", changed.cpuSeconds / all.cpuSeconds);
    if (peers) comparePeers({ folder, ours: first, url: server.url, records });
    const some = await startPageServer(DELAYED_RECORDS);
    process.env.BENCH_API = some.url;
    await set(some.url, `delay=${DELAY_MS}`);
    const slow = show(`run ingest, ${DELAY_MS} ms a request`, project("delayed")(), DELAYED_RECORDS);
    const least = (DELAYED_RECORDS / PAGE_RECORDS / AT_ONCE) * (DELAY_MS / 1000);
    ratio("wall against what the concurrency allows", slow.wallSeconds / least, "<= 1.2");
    some.stop();
  } finally {
    server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function comparePeers({
  folder,
  ours,
  url,
  records,
}: {
  folder: string;
  ours: Usage;
  url: string;
  records: number;
}): void {
  const python = installLoaders(join(folder, "venv"));
  if (python === undefined) {
    console.log("peers: NOT RUN, they cannot be installed here");
    return;
  }
  const dlt = show("dlt, its best settings", measureLoader("dlt", { python, folder, url, records }), records);
  ratio("CPU of dlt against ours", dlt.cpuSeconds / ours.cpuSeconds, ">= 6");
  const threads = measureLoader("threads", { python, folder, url, records });
  show("Python by hand, threads and Arrow", threads, records);
  ratio("CPU against Python by hand", ours.cpuSeconds / threads.cpuSeconds, "< 0.5");
}

interface PageServer {
  url: string;
  stop(): void;
}

async function startPageServer(records: number): Promise<PageServer> {
  const child: ChildProcess = spawn(process.execPath, [file("./page-server.mjs"), String(records)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (child.stdout === null) throw new Error("no output");
  const [port] = await once(child.stdout, "data");
  return { url: `http://127.0.0.1:${String(port).trim()}`, stop: () => child.kill() };
}

async function set(url: string, query: string): Promise<void> {
  await (await fetch(`${url}/set?${query}`, { method: "POST" })).text();
}

function writeProject(folder: string, cursor: string): void {
  mkdirSync(join(folder, "ingest/sources"), { recursive: true });
  writeFileSync(join(folder, "project.yml"), "name: bench\n");
  writeFileSync(join(folder, "ingest/sources/music.ts"), sourceText(cursor));
  const output = "dev: { type: duckdb, path: data/warehouse.duckdb }";
  writeFileSync(join(folder, "profiles.yml"), `bench:\n  target: dev\n  outputs:\n    ${output}\n`);
}

function show(what: string, usage: Usage, records: number): Usage {
  const { wallSeconds, cpuSeconds, peakMb } = usage;
  const rate = Math.round(records / wallSeconds);
  console.log(
    `${what}: CPU ${cpuSeconds.toFixed(2)} s, ${wallSeconds.toFixed(2)} s, peak ${peakMb.toFixed(0)} MB, ${rate} records/s`,
  );
  return usage;
}

function ratio(what: string, value: number, bound = "told only"): void {
  console.log(`  ${what}: ${value.toFixed(2)} (${bound})`);
}
