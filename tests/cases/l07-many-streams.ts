import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Case, type Ground, none, type Report } from "./case.ts";
import { type Ended, runCommand } from "./command.ts";
import { bulkProject, startBulk } from "./many-streams-server.ts";
import { readRows } from "./read.ts";

const NUMBERS = { quick: { streams: 20, records: 1000 }, full: { streams: 100, records: 10_000 } } as const;
const RECORD_BYTES = 1000;
const HOOK = fileURLToPath(new URL("../../bench/usage.mjs", import.meta.url));

/** Runs `run ingest` and says how much memory it took at most. */
export async function loadBulk(cwd: string, url: string): Promise<Ended & { peakMb: number }> {
  const file = join(cwd, "usage.json");
  const env = { BULK_URL: url, NODE_OPTIONS: `--import ${HOOK}`, BENCH_USAGE: file };
  const ended = await runCommand(["ingest"], { cwd, env });
  return { ...ended, peakMb: Math.round(JSON.parse(readFileSync(file, "utf8")).peakMb) };
}

/** L-07: many streams at once, and once more with every tenth request failing. */
export const manyStreams: Case = {
  id: "L-07",
  run: async ({ size, projects }: Ground): Promise<Report> => {
    const { streams, records } = NUMBERS[size];
    const failures: string[] = [];
    const figures = { peakMb: 0, lost: 0, doubled: 0, seconds: [0, 0] };
    for (const [index, failEvery] of [0, 10].entries()) {
      const server = await startBulk({ pageSize: 100, records, recordBytes: RECORD_BYTES, failEvery });
      const list = `Array.from({ length: ${streams} }, (_, one) => ({ ...common, name: \`s\${one}\`, path: \`/s\${one}\` }))`;
      const cwd = projects.make(bulkProject(list));
      try {
        const ended = await loadBulk(cwd, server.url);
        if (ended.exitCode !== 0)
          failures.push(`faults ${failEvery}: exit ${ended.exitCode}: ${ended.stderr.slice(-300)}`);
        figures.peakMb = Math.max(figures.peakMb, ended.peakMb);
        figures.seconds[index] = ended.seconds;
      } finally {
        await server.stop();
      }
      const parts = Array.from(
        { length: streams },
        (_, one) => `select count(*) as rows, count(distinct _key) as keys from raw_bulk.s${one}`,
      );
      const query = `select count(*) filter (keys <> ${records}), count(*) filter (rows <> keys) from (${parts.join(" union all ")})`;
      const [counts = []] = await readRows(join(cwd, "data/warehouse.duckdb"), query);
      figures.lost += Number(counts[0]);
      figures.doubled += Number(counts[1]);
    }
    const [plain = 1, faulty = 1] = figures.seconds;
    return {
      figures: [
        { name: "streams", value: streams },
        { name: "records_per_second", value: Math.round((streams * records) / plain) },
        { name: "time_with_faults", value: Number((faulty / plain).toFixed(2)) },
        { name: "peak_mb", value: figures.peakMb, atMost: 512 },
        none("lost", figures.lost),
        none("doubled", figures.doubled),
      ],
      failures,
    };
  },
};
