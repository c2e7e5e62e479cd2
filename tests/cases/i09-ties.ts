import { join } from "node:path";
import { type Case, type Ground, none, type Report } from "./case.ts";
import { runCommand } from "./command.ts";
import { FEED_STREAMS, feedProject, startFeed } from "./feed.ts";
import { differences } from "./i01-killed-full.ts";
import { readRows } from "./read.ts";

const NUMBERS = { quick: { runs: 2, ties: 500 }, full: { runs: 10, ties: 5000 } } as const;
const PRECISIONS = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123Z", "2026-01-01T00:00:00.123456789Z"];

/** I-09: thousands of records share the cursor's value, and more of them come after it was stored. */
export const tiesOfTheCursor: Case = {
  id: "I-09",
  run: async ({ size, projects }: Ground): Promise<Report> => {
    const { runs, ties } = NUMBERS[size];
    const feed = await startFeed();
    const env = { FEED_URL: feed.url };
    const failures: string[] = [];
    let stateBytes = 0;
    try {
      for (const [place, at] of PRECISIONS.entries()) {
        const ordered = place % 2 === 0;
        const cursor = `cursor: { field: "at", parameter: "since", ordered: ${ordered} }`;
        const options = { pageSize: 97, settings: "commit_records: 300" };
        const cwd = projects.make(feedProject(`mode: "incremental", ${cursor}`, options));
        for (let run = 0; run < runs; run++) {
          const count = ties + 100 * run;
          for (const stream of FEED_STREAMS)
            feed.lists.set(
              stream,
              Array.from({ length: count }, (_, id) => ({ id, at })),
            );
          const { exitCode, stderr } = await runCommand(["ingest"], { cwd, env });
          const where = `${at} run ${run}`;
          if (exitCode !== 0) failures.push(`${where}: exit ${exitCode}: ${stderr}`);
          failures.push(...(await differences(cwd, feed)).map((what) => `${where}: ${what}`));
          const file = join(cwd, "data/warehouse.duckdb");
          const state = await readRows(file, `select "cursor" from raw_feed._loads where outcome = 'ok'`);
          if (state.some(([text]) => text !== at)) failures.push(`${where}: rounded: the cursor is ${state}`);
          stateBytes = Math.max(stateBytes, state.map(String).join("").length);
          const doubled = await readRows(file, "select count(*) - count(distinct _key) from raw_feed.a");
          if (Number(doubled[0]?.[0]) > 0) failures.push(`${where}: doubled: ${doubled}`);
        }
      }
    } finally {
      await feed.stop();
    }
    const count = (word: string) => failures.filter((failure) => failure.includes(word)).length;
    return {
      figures: [
        { name: "precisions", value: PRECISIONS.length },
        { name: "runs", value: PRECISIONS.length * runs },
        none("lost", count("lost") + count("altered")),
        none("doubled", count("doubled")),
        none("cursors_rounded", count("rounded")),
        { name: "state_bytes", value: stateBytes, atMost: 1_000_000 },
      ],
      failures,
    };
  },
};
