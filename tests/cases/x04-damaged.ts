import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import Sqlite from "libsql";
import { ProjectError } from "../../core/errors.ts";
import type { Random } from "../../moovitamix/world/random.ts";
import { type Case, type Ground, none, type Report } from "./case.ts";
import { inPairs, runCommand } from "./command.ts";
import { FEED_STREAMS, type FeedServer, feedProject, second, startFeed } from "./feed.ts";
import { differences } from "./i01-killed-full.ts";

const NUMBERS = {
  quick: { state: 8, cuts: 2, changes: 2 },
  full: { state: 30, cuts: 50, changes: 10 },
} as const;
const [FIRST, LATER] = [2000, 3000];
const STATE = "data/state.db";
const WAREHOUSE = "data/warehouse.duckdb";

interface Damage {
  name: string;
  file: string;
  /** Whether a copy of the damaged file has to be made: not of a whole file that is the wrong one. */
  isCopied: boolean;
  strike(file: string): void;
}

interface Stage {
  feed: FeedServer;
  /** Loaded, its runs kept, and then killed between two commits of a load: its log holds what nobody was told of. */
  base: string;
  folder: string;
}

/** damaged files of the state and the store. */
export const damagedFiles: Case = {
  id: "X-04",
  run: async ({ size, random, projects }: Ground): Promise<Report> => {
    const numbers = NUMBERS[size];
    const feed = await startFeed();
    const folder = mkdtempSync(join(tmpdir(), "sillon-case-"));
    try {
      const stage: Stage = { feed, folder, base: projects.make(feedProject(STREAM, PAGES)) };
      await prepare(stage);
      const other = await otherStore(
        stage,
        projects.make({ ...feedProject(STREAM, PAGES), "project.yml": "name: elsewhere\nprofile: shop\n" }),
      );
      const state = stateDamages({ random, other });
      const ofState = Array.from({ length: numbers.state }, (_, index) => state[index % state.length]?.());
      const found = [
        ...(await inPairs(ofState, (damage) => damageState(stage, damage))),
        ...(await inPairs(storeDamages(stage, random, numbers), (damage) => damageStore(stage, damage))),
      ].flat();
      const count = (word: string) => found.filter((text) => text.includes(word)).length;
      return {
        figures: [
          { name: "damages", value: numbers.state + numbers.cuts + numbers.changes },
          none("silent_restarts", count("silent")),
          none("deleted_or_changed_files", count("changed")),
          none("wrong_rows_served", count("wrong rows")),
          none("not_told", count("not told")),
          none("not_healed", count("not healed")),
        ],
        failures: found,
      };
    } finally {
      await feed.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

const STREAM = 'mode: "incremental", cursor: { field: "at", parameter: "since", ordered: true }';
const PAGES = { pageSize: 100, settings: "commit_records: 400" };

function fill({ lists }: FeedServer, count: number): void {
  for (const stream of FEED_STREAMS)
    lists.set(
      stream,
      Array.from({ length: count }, (_, id) => ({ id, at: second(id), text: `${stream} ${id} `.repeat(8) })),
    );
}

async function prepare({ feed, base }: Stage): Promise<void> {
  const options = { cwd: base, env: { FEED_URL: feed.url } };
  fill(feed, FIRST);
  const first = await runCommand(["ingest"], options);
  if (first.exitCode !== 0) throw new Error(`the first load ended with ${first.exitCode}: ${first.stderr}`);
  fill(feed, LATER);
  await runCommand(["ingest"], { ...options, fault: "transaction.commit:6:kill" });
  if (!existsSync(join(base, `${WAREHOUSE}.wal`))) throw new Error("the killed load left no log");
  intoOneFile(join(base, STATE));
}

/** SQLite keeps what was written last in a log of its own. */
function intoOneFile(file: string): void {
  const sqlite = new Sqlite(file);
  sqlite.exec("pragma wal_checkpoint(truncate)");
  sqlite.close();
  for (const ending of ["-wal", "-shm"]) rmSync(`${file}${ending}`, { force: true });
}

async function otherStore({ feed }: Stage, cwd: string): Promise<string> {
  await runCommand(["ingest"], { cwd, env: { FEED_URL: feed.url } });
  intoOneFile(join(cwd, STATE));
  return join(cwd, STATE);
}

function stateDamages({ random, other }: { random: Random; other: string }): (() => Damage)[] {
  const damage =
    (name: string, strike: Damage["strike"], isCopied = true) =>
    () => ({ name, strike, isCopied, file: STATE });
  const bytesOf = (file: string) => readFileSync(file).length;
  return [
    damage("is empty", (file) => truncateSync(file, 0), false),
    damage("is zeros", (file) => writeFileSync(file, Buffer.alloc(bytesOf(file)))),
    damage("is half", (file) => truncateSync(file, random.integer(1, bytesOf(file) - 1))),
    damage("has more bytes", (file) =>
      writeFileSync(file, Buffer.alloc(random.integer(1, 9999), 7), { flag: "a" }),
    ),
    damage("is of another project", (file) => cpSync(other, file), false),
    damage("is of a newer version", (file) => pragma(file, "user_version = 99"), false),
    damage("is of another program", (file) => pragma(file, "application_id = 7"), false),
    damage("has a page of other bytes", (file) => {
      const bytes = readFileSync(file);
      const page = random.integer(0, Math.floor(bytes.length / 4096) - 1);
      writeFileSync(file, bytes.fill(random.integer(1, 255), page * 4096, (page + 1) * 4096));
    }),
  ];
}

function pragma(file: string, text: string): void {
  const sqlite = new Sqlite(file);
  sqlite.exec(`pragma journal_mode = delete; pragma ${text}`);
  sqlite.close();
}

function storeDamages(
  { base }: Stage,
  random: Random,
  { cuts, changes }: { cuts: number; changes: number },
): Damage[] {
  const log = `${WAREHOUSE}.wal`;
  const logBytes = readFileSync(join(base, log)).length;
  const bytes = readFileSync(join(base, WAREHOUSE)).length;
  const cut = (file: string, at: number) => ({
    name: `${basename(file)} is cut at ${at}`,
    file,
    isCopied: true,
    strike: (path: string) => truncateSync(path, at),
  });
  const flip = (file: string, at: number) => ({
    name: `${basename(file)} has other bytes at ${at}`,
    file,
    isCopied: true,
    strike: (path: string) => {
      const content = readFileSync(path);
      for (let byte = at; byte < at + 8; byte++) content[byte] = (content[byte] ?? 0) ^ 0xa5;
      writeFileSync(path, content);
    },
  });
  return [
    ...Array.from({ length: cuts }, () => cut(log, random.integer(0, logBytes - 1))),
    ...Array.from({ length: changes }, (_, index) => {
      if (index === 0) return cut(log, 0);
      if (index % 4 === 0) return flip(log, random.integer(100, logBytes - 9));
      return index % 2 === 0
        ? cut(WAREHOUSE, random.integer(0, bytes - 1))
        : flip(WAREHOUSE, random.integer(0, bytes - 9));
    }),
  ];
}

/** The folder of a copy of the base with the damage. */
function struck({ base, folder }: Stage, { file, strike }: Damage): string {
  const cwd = mkdtempSync(join(folder, "damaged-"));
  cpSync(base, cwd, { recursive: true });
  strike(join(cwd, file));
  return cwd;
}

type Contents = ReadonlyMap<string, Buffer>;

function contentsOf(cwd: string): Contents {
  const files = [STATE, WAREHOUSE, `${WAREHOUSE}.wal`].filter((one) => existsSync(join(cwd, one)));
  return new Map(files.map((one) => [one, readFileSync(join(cwd, one))]));
}

/** What a command that refuses has to say and to leave alone. */
function refusal(
  { exitCode, stderr }: { exitCode: number; stderr: string },
  { name, file, isCopied, cwd, before }: Damage & { cwd: string; before: Contents },
): string[] {
  const found = [];
  const path = file.replace(/\.wal$/, "");
  if (exitCode !== 4 || !stderr.includes(path) || !stderr.includes("to fix: "))
    found.push(`${name}: not told: exit ${exitCode}: ${stderr.slice(0, 400)}`);
  const content = before.get(file);
  if (content === undefined || !existsSync(join(cwd, file)) || !readFileSync(join(cwd, file)).equals(content))
    found.push(`${name}: the file was changed`);
  const beside = readdirSync(dirname(join(cwd, file))).some((one) =>
    one.startsWith(`${basename(file)}.damaged-`),
  );
  if (isCopied && content?.length !== 0 && !beside) found.push(`${name}: not told: no copy was made`);
  return found;
}

async function damageState(stage: Stage, damage: Damage | undefined): Promise<string[]> {
  if (damage === undefined) return [];
  const cwd = struck(stage, damage);
  const before = contentsOf(cwd);
  // The project was moved, and its name is the same.
  const asked = await runCommand(["history", "--json"], { cwd });
  if (asked.exitCode === 0) {
    const { runs } = JSON.parse(asked.stdout) as { runs: unknown[] };
    return runs.length >= 2 ? [] : [`${damage.name}: silent restart: ${runs.length} runs`];
  }
  const found = refusal(asked, { ...damage, cwd, before });
  rmSync(join(cwd, STATE));
  const healed = await runCommand(["ingest"], { cwd, env: { FEED_URL: stage.feed.url } });
  if (healed.exitCode !== 0) found.push(`${damage.name}: not healed: ${healed.stderr.slice(-300)}`);
  rmSync(cwd, { recursive: true });
  return found;
}

async function damageStore(stage: Stage, damage: Damage): Promise<string[]> {
  const cwd = struck(stage, damage);
  let before = contentsOf(cwd);
  const sql = FEED_STREAMS.map((name) => `select '${name}' as stream, record from raw_feed.${name}_latest`);
  const inline = ["show", "--inline", sql.join(" union all "), "--limit", "100000", "--json"];
  const shown = await runCommand(inline, { cwd });
  const found =
    shown.exitCode === 0
      ? wrongRows(stage, damage, shown.stdout)
      : refusal(shown, { ...damage, cwd, before });
  // What met no damage has merged the log.
  if (shown.exitCode === 0) before = contentsOf(cwd);
  const { exitCode, stderr } = await runCommand(["ingest"], { cwd, env: { FEED_URL: stage.feed.url } });
  if (exitCode === 4) found.push(...refusal({ exitCode, stderr }, { ...damage, cwd, before }));
  else if (exitCode !== 0) found.push(`${damage.name}: not healed: exit ${exitCode}: ${stderr.slice(-300)}`);
  else
    found.push(
      ...(await rowsOrRefusal(cwd, stage.feed)).map((what) => `${damage.name}: wrong rows: ${what}`),
    );
  rmSync(cwd, { recursive: true });
  return found;
}

/** What differs from the service's lists; nothing when a reader is told of damage that the load did not come across. */
async function rowsOrRefusal(cwd: string, feed: FeedServer): Promise<string[]> {
  try {
    return await differences(cwd, feed);
  } catch (error) {
    if (error instanceof ProjectError && error.code === "WAREHOUSE_DAMAGED") return [];
    throw error;
  }
}

/** All that was there when the first load was confirmed, and nothing that the service never had. */
function wrongRows({ feed }: Stage, { name }: Damage, stdout: string): string[] {
  const { rows } = JSON.parse(stdout) as { rows: { stream: string; record: string }[] };
  return FEED_STREAMS.flatMap((stream) => {
    const known = new Set(feed.lists.get(stream)?.map((record) => JSON.stringify(record)));
    const served = rows.filter((row) => row.stream === stream).map(({ record }) => record);
    const isRight = served.length >= FIRST && served.every((record) => known.has(record));
    return isRight ? [] : [`${name}: wrong rows of ${stream}: ${served.length}`];
  });
}
