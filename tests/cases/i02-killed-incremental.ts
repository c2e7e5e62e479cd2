import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Case, type Ground, none, type Report } from "./case.ts";
import { runCommand, startCommand } from "./command.ts";
import { FEED_STREAMS, type FeedServer, feedProject, second, startFeed } from "./feed.ts";
import { differences, leftovers } from "./i01-killed-full.ts";
import { readRows } from "./read.ts";

const NUMBERS = {
  quick: { kills: 5, records: 400, rounds: 3 },
  full: { kills: 200, records: 10_000, rounds: 20 },
} as const;
const [ADDED, UPDATED] = [100, 50];

/** I-02: killed at a random moment, or at a commit, of incremental loads of a list that grows between them. */
export const killedIncrementalLoad: Case = {
  id: "I-02",
  run: async ({ size, random, projects }: Ground): Promise<Report> => {
    const { kills, records, rounds } = NUMBERS[size];
    const feed = await startFeed();
    const env = { FEED_URL: feed.url };
    const failures: string[] = [];
    let [cwd, seconds, struck, partly] = ["", 0, 0, 0];
    try {
      for (let kill = 0; kill < kills; kill++) {
        if (kill % rounds === 0) {
          cwd = projects.make(
            feedProject('mode: "incremental", cursor: { field: "at", parameter: "since", ordered: true }', {
              pageSize: 20,
              settings: "commit_records: 40",
            }),
          );
          for (const stream of FEED_STREAMS) feed.lists.set(stream, []);
          grow(feed, records, 0, () => 0);
          await runCommand(["ingest"], { cwd, env });
          grow(feed, ADDED, UPDATED, (most) => random.integer(0, most));
          seconds = (await runCommand(["ingest"], { cwd, env })).seconds;
        }
        grow(feed, ADDED, UPDATED, (most) => random.integer(0, most));
        // Every second kill strikes between the rows and the commit of a part.
        const nth = random.integer(1, 12);
        const atCommit = kill % 2 === 1 ? { fault: `transaction.commit:${nth}:kill` } : {};
        const started = startCommand(["ingest"], { cwd, env, ...atCommit });
        if (kill % 2 === 0) {
          await delay(random.next() * seconds * 1000);
          struck += started.isRunning() ? 1 : 0;
          started.signal("SIGKILL");
        }
        const { exitCode: struckWith } = await started.ended;
        if (kill % 2 === 1 && struckWith === 137) struck++;
        const place = `kill ${kill}`;
        const { ahead, isPart } = await cursorAhead(cwd, feed);
        partly += isPart ? 1 : 0;
        failures.push(...ahead.map((what) => `${place}: ${what}`));
        const { exitCode, stderr } = await runCommand(["ingest"], { cwd, env });
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
        { name: "with_parts_committed", value: partly },
        none("lost", count("lost") + count("altered")),
        none("doubled", count("doubled")),
        none("cursor_ahead_of_data", count("ahead")),
        none("not_healed_by_one_run", count("not healed")),
        none("leftovers", count("left over")),
      ],
      failures,
    };
  },
};

/** Adds records and changes others, which go to the end of the list; two and two share a moment. */
function grow(feed: FeedServer, added: number, updated: number, choose: (most: number) => number): void {
  const from = feed.clock;
  for (const stream of FEED_STREAMS) {
    feed.clock = from;
    const list = feed.lists.get(stream) ?? [];
    let next = list.reduce((most, { id }) => Math.max(most, id), -1) + 1;
    for (let change = 0; change < updated && list.length > 0; change++) {
      const [record] = list.splice(choose(list.length - 1), 1);
      if (record !== undefined) list.push({ ...record, at: second(feed.clock++ >> 1) });
    }
    for (let place = 0; place < added; place++) list.push({ id: next++, at: second(feed.clock++ >> 1) });
    feed.lists.set(stream, list);
  }
}

/** Records of the service up to a stored cursor that the table does not have as they are. */
async function cursorAhead(cwd: string, feed: FeedServer): Promise<{ ahead: string[]; isPart: boolean }> {
  const file = join(cwd, "data/warehouse.duckdb");
  const ahead: string[] = [];
  let isPart = false;
  for (const stream of FEED_STREAMS) {
    const [[cursor] = []] = await readRows(
      file,
      `select "cursor" from raw_feed._loads where stream = '${stream}' and outcome = 'ok' order by load_id desc limit 1`,
    );
    const rows = await readRows(file, `select record from raw_feed.${stream}_latest`);
    const landed = new Set(rows.map(([record]) => String(record)));
    const list = feed.lists.get(stream) ?? [];
    const upTo = list.filter(({ at }) => String(at) < String(cursor));
    const missing = upTo.filter((record) => !landed.has(JSON.stringify(record)));
    if (missing.length > 0) ahead.push(`cursor ${cursor} of ${stream} is ahead of ${missing.length} records`);
    const news = list.slice(-(ADDED + UPDATED)).filter((record) => landed.has(JSON.stringify(record))).length;
    isPart ||= news > 0 && news < ADDED + UPDATED;
  }
  return { ahead, isPart };
}
