import { spawnSync } from "node:child_process";
import { hash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Case, type Ground, none, type Report } from "./case.ts";
import { type Ended, runCommand } from "./command.ts";
import { FEED_STREAMS, type FeedServer, feedProject, startFeed } from "./feed.ts";
import { differences } from "./i01-killed-full.ts";
import { readRows } from "./read.ts";

const SIZES = {
  quick: [18],
  full: Array.from({ length: 30 }, (_, index) => 16 + Math.round((index * 48) / 29)),
} as const;
const [FIRST, LATER] = [1000, 20_000];
const WIDE_MB = 1024;
const COMMANDS = ["ingest", "models", "publish"] as const;

const MODEL = `-- One row per record, again and again.
select a.id, again.range as nth, md5(a.id::varchar || again.range::varchar) as text
from (select json_extract(record, '$.id')::bigint as id from {{ source('feed', 'a') }}) as a, range({{ var('times') }}) as again where a.id < 1000
`;

/** the disk is full, at another step for each of its sizes. */
export const diskFull: Case = {
  id: "X-01",
  run: async ({ size, projects }: Ground): Promise<Report> => {
    const place = mkdtempSync(join(tmpdir(), "sillon-disk-"));
    const why = mount(place, "size=16m");
    if (why !== undefined) {
      rmSync(place, { recursive: true });
      return { figures: [], failures: [], notRun: [`a file system of its own cannot be made: ${why}`] };
    }
    spawnSync("umount", [place]);
    const feed = await startFeed();
    const failures: string[] = [];
    let full = 0;
    try {
      const files = projects.make({
        ...feedProject("", { pageSize: 500 }),
        "project.yml": "name: shop\nschema_names: exact\npublish: {select: '*', keep: 1}\nvars: {times: 1}\n",
        "models/sources.yml": "sources:\n  - {name: feed, schema: raw_feed, tables: [{name: a}]}\n",
        "models/big.sql": MODEL,
      });
      for (const megabytes of SIZES[size])
        for (const command of COMMANDS) {
          const found = await fill({ place, feed, files, megabytes, command });
          full += found.isFull ? 1 : 0;
          failures.push(...found.failures.map((what) => `${megabytes} MB, ${command}: ${what}`));
        }
    } finally {
      await feed.stop();
      rmSync(place, { recursive: true, force: true });
    }
    const count = (word: string) => failures.filter((text) => text.includes(word)).length;
    return {
      figures: [
        { name: "sizes", value: SIZES[size].length },
        { name: "commands", value: SIZES[size].length * COMMANDS.length },
        { name: "met_a_full_disk", value: full },
        none("confirmed_and_lost", count("lost")),
        none("stores_that_no_longer_open", count("no longer opens")),
        none("not_told", count("not told")),
        none("not_healed", count("not healed")),
      ],
      failures,
    };
  },
};

function mount(place: string, options: string): string | undefined {
  const { status, stderr, error } = spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", place], {
    encoding: "utf8",
  });
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
}

/** About 500 characters that no compression makes much shorter. */
function noise(seed: string): string {
  return [1, 2, 3, 4].map((part) => hash("sha512", `${seed} ${part}`, "base64")).join("");
}

function fillLists({ lists }: FeedServer, count: number, version: number): void {
  for (const stream of FEED_STREAMS)
    lists.set(
      stream,
      Array.from({ length: count }, (_, id) => ({
        id,
        version,
        text: noise(`${stream} ${id} ${version}`),
      })),
    );
}

interface Trial {
  place: string;
  feed: FeedServer;
  files: string;
  megabytes: number;
  command: (typeof COMMANDS)[number];
}

/** All that is needed is done well while there is space; then one command meets the end of it. */
async function fill({
  place,
  feed,
  files,
  megabytes,
  command,
}: Trial): Promise<{ isFull: boolean; failures: string[] }> {
  mount(place, `size=${WIDE_MB}m`);
  const cwd = join(place, "project");
  mkdirSync(cwd);
  cpSync(files, cwd, { recursive: true });
  const run = (...args: string[]) => runCommand(args, { cwd, env: { FEED_URL: feed.url } });
  const failures: string[] = [];
  try {
    fillLists(feed, FIRST, 1);
    for (const args of [["ingest"], ["models"]]) await must(run(...args));
    const confirmed = new Map(feed.lists);
    fillLists(feed, LATER, 2);
    const times = ["--vars", "{times: 1500}"];
    if (command === "publish") await must(run("models", ...times));
    spawnSync("mount", ["-o", `remount,size=${Math.max(megabytes, usedMb(place) + 1)}m`, place]);
    const struck = await run(command, ...(command === "models" ? times : []));
    const isFull = struck.exitCode === 4;
    if (struck.exitCode !== 0 && !isTold(struck))
      failures.push(`not told: exit ${struck.exitCode}: ${struck.stderr.slice(-600)}`);
    spawnSync("mount", ["-o", `remount,size=${WIDE_MB}m`, place]);
    if (isFull && command === "ingest") {
      const afresh = feed.lists;
      const kept = await Promise.all(
        FEED_STREAMS.map((stream) => oldOrNew(cwd, stream, [confirmed, afresh])),
      );
      failures.push(...kept.flat());
    }
    const history = await run("history", "--json");
    if (history.exitCode !== 0) failures.push(`the history no longer opens: ${history.stderr.slice(-300)}`);
    else failures.push(...historyFailures(history.stdout, { command, exitCode: struck.exitCode }));
    const healed = await run(command, ...(command === "models" ? times : []));
    if (healed.exitCode !== 0)
      failures.push(`not healed: exit ${healed.exitCode}: ${healed.stderr.slice(-300)}`);
    if (command === "ingest")
      failures.push(...(await differences(cwd, feed)).map((what) => `after healing: lost: ${what}`));
    return { isFull, failures };
  } finally {
    spawnSync("umount", [place]);
  }
}

async function must(running: Promise<Ended>): Promise<void> {
  const { exitCode, stderr } = await running;
  if (exitCode !== 0) throw new Error(`exit ${exitCode}: ${stderr}`);
}

function usedMb(place: string): number {
  const { stdout } = spawnSync("df", ["--output=used", "-BM", place], { encoding: "utf8" });
  return Number(/(\d+)M/.exec(stdout)?.[1] ?? 0);
}

/** Path and free bytes; the step is the stream or model that the line begins with, or the command. */
function isTold({ exitCode, stderr, stdout }: Ended): boolean {
  const text = stderr + stdout;
  return (
    exitCode === 4 &&
    /disk is full/.test(text) &&
    /\d+ bytes are free/.test(text) &&
    /\/project\/(data|target)/.test(text)
  );
}

/** A reader finds one of the two lists of a stream, whole. */
async function oldOrNew(
  cwd: string,
  stream: string,
  lists: readonly FeedServer["lists"][],
): Promise<string[]> {
  const rows = await readRows(
    join(cwd, "data/warehouse.duckdb"),
    `select record from raw_feed.${stream}_latest order by 1`,
  ).catch((error: unknown) => String(error));
  if (typeof rows === "string") return [`the warehouse no longer opens: ${rows}`];
  const found = rows.map(([record]) => String(record)).join("\n");
  const isOne = lists.some(
    (list) =>
      (list.get(stream) ?? [])
        .map((one) => JSON.stringify(one))
        .sort()
        .join("\n") === found,
  );
  return isOne ? [] : [`lost in ${stream}: ${rows.length} rows are neither the former nor the new ones`];
}

/** The run that met the full disk is in the history, with its end. */
function historyFailures(stdout: string, run: { command: string; exitCode: number }): string[] {
  const { runs } = JSON.parse(stdout) as {
    runs: { command: string; exit_code: number | null; status: string }[];
  };
  const [last] = runs;
  return last?.command === run.command && last.exit_code === run.exitCode
    ? []
    : [
        `lost: the history says ${last?.command} ${last?.status} ${last?.exit_code}, not ${run.command} ${run.exitCode}`,
      ];
}
