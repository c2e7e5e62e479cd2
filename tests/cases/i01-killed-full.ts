import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Case, type Ground, none, type Report } from "./case.ts";
import { runCommand, startCommand } from "./command.ts";
import { FEED_STREAMS, type FeedServer, feedProject, startFeed } from "./feed.ts";
import { readRows } from "./read.ts";

const NUMBERS = {
  quick: { kills: 4, records: 1000, rounds: 2 },
  full: { kills: 200, records: 10_000, rounds: 20 },
} as const;
const PAGE = 200;

/** I-01: killed at a random moment of full loads whose every record is another one each time. */
export const killedFullLoad: Case = {
  id: "I-01",
  run: async ({ size, random, projects }: Ground): Promise<Report> => {
    const { kills, records, rounds } = NUMBERS[size];
    const feed = await startFeed();
    const failures: string[] = [];
    let [cwd, seconds, struck, version] = ["", 0, 0, 0];
    const ingest = () => runCommand(["ingest"], { cwd, env: { FEED_URL: feed.url } });
    try {
      for (let kill = 0; kill < kills; kill++) {
        if (kill % rounds === 0) {
          cwd = projects.make(feedProject("", { pageSize: PAGE }));
          fill(feed, ++version, records);
          seconds = (await ingest()).seconds;
        }
        const former = version;
        fill(feed, ++version, records);
        const started = startCommand(["ingest"], { cwd, env: { FEED_URL: feed.url } });
        const afterSeconds = random.next() * seconds;
        await delay(afterSeconds * 1000);
        struck += started.isRunning() ? 1 : 0;
        started.signal("SIGKILL");
        await started.ended;
        const place = `kill ${kill} after ${afterSeconds.toFixed(3)} s`;
        failures.push(
          ...(await mixedReads(cwd, records, [former, version])).map((what) => `${place}: ${what}`),
        );
        const { exitCode, stderr } = await ingest();
        if (exitCode !== 0) failures.push(`${place}: not healed: exit ${exitCode}: ${stderr}`);
        failures.push(...(await differences(cwd, feed)).map((what) => `${place}: ${what}`));
        failures.push(...(await leftovers(cwd)).map((what) => `${place}: left over ${what}`));
      }
    } finally {
      await feed.stop();
    }
    const count = (word: string) => failures.filter((failure) => failure.includes(word)).length;
    return {
      figures: [
        { name: "kills", value: kills },
        { name: "killed_while_running", value: struck },
        none("lost", count("lost")),
        none("doubled", count("doubled")),
        none("altered", count("altered")),
        none("mixed_reads", count("mixed")),
        none("not_healed_by_one_run", count("not healed")),
        none("leftovers", count("left over")),
      ],
      failures,
    };
  },
};

function fill(feed: FeedServer, version: number, count: number): void {
  for (const stream of FEED_STREAMS)
    feed.lists.set(
      stream,
      Array.from({ length: count }, (_, id) => ({ id, version })),
    );
}

const warehouse = (cwd: string) => join(cwd, "data/warehouse.duckdb");

async function mixedReads(cwd: string, records: number, versions: readonly number[]): Promise<string[]> {
  const found = [];
  for (const stream of FEED_STREAMS) {
    const rows = await readRows(
      warehouse(cwd),
      `select json_extract(record, '$.version')::integer, count(*) from raw_feed.${stream}_latest group by all`,
    );
    const [[version, count] = []] = rows;
    if (rows.length !== 1 || Number(count) !== records || !versions.includes(Number(version)))
      found.push(`mixed read of ${stream}: ${JSON.stringify(rows)}`);
  }
  return found;
}

/** The service's own lists against the latest records, letter by letter. */
export async function differences(cwd: string, feed: FeedServer): Promise<string[]> {
  const found: string[] = [];
  for (const stream of FEED_STREAMS) {
    const rows = await readRows(warehouse(cwd), `select _key, record from raw_feed.${stream}_latest`);
    const landed = new Map(rows.map(([key, record]) => [String(key), String(record)]));
    if (landed.size !== rows.length) found.push(`doubled in ${stream}: ${rows.length - landed.size}`);
    const list = feed.lists.get(stream) ?? [];
    const lost = list.filter(({ id }) => !landed.has(String(id)));
    const altered = list.filter((record) => (landed.get(String(record.id)) ?? "") !== JSON.stringify(record));
    if (lost.length > 0) found.push(`lost in ${stream}: ${lost.length}, such as ${lost[0]?.id}`);
    else if (altered.length > 0)
      found.push(`altered in ${stream}: ${altered.length}, such as ${altered[0]?.id}`);
    const versions = await readRows(
      warehouse(cwd),
      `select count(*) from (select _key from raw_feed.${stream} where _to_load is null group by _key having count(*) > 1)`,
    );
    if (Number(versions[0]?.[0]) > 0) found.push(`doubled versions in ${stream}`);
  }
  return found;
}

export async function leftovers(cwd: string): Promise<string[]> {
  const tables = await readRows(
    warehouse(cwd),
    "select table_name from information_schema.tables where table_schema = 'raw_feed' order by 1",
  );
  const known = FEED_STREAMS.flatMap((name) => [name, `${name}_latest`, `${name}_changes`]);
  const extra = tables
    .map(([name]) => String(name))
    .filter((name) => !name.startsWith("_") && !known.includes(name));
  const folder = join(cwd, "data");
  const files = existsSync(folder) ? readdirSync(folder) : [];
  return [...extra, ...files.filter((file) => /\.(tmp|part|wal)$/.test(file))];
}
