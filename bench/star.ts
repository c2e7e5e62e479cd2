// A star schema over raw JSON rows, its build and its twelve tests against the bare statements: `npm run bench -- star`.
// `npm run bench -- star 100000` takes that many raw rows; each becomes three rows of the fact table.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { type Comparison, compare, measureNode } from "./measure.ts";
import { benchQuality } from "./quality.ts";

const MAIN = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const BARE = fileURLToPath(new URL("./bare.mjs", import.meta.url));
const ROUNDS = 3;
/** The most that our command may take of what the bare statements take. */
const BOUNDS = { models: 1.05, test: 1 } as const;

const TRACKS = 100_000;
const USERS = 100_000;

/** Builds and tests the schema, and prints what it took. The temporary folder is removed afterwards. */
export async function benchStar(rawRows: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "sillon-bench-"));
  try {
    writeProject(folder);
    await generateRaw(join(folder, "data/warehouse.duckdb"), rawRows);
    for (const command of ["models", "test"] as const) {
      const anew = command === "models" ? ["--no-reuse"] : [];
      const ours = () => measureNode([MAIN, command, "--quiet", ...anew], folder);
      ours();
      copyFileSync(join(folder, "target/run_results.json"), join(folder, `bench-${command}.json`));
      const compared = compare(ROUNDS, ours, () => measureNode([BARE, folder, command], folder));
      report(`star ${command}, ${rawRows} raw rows`, compared, BOUNDS[command]);
    }
    await benchQuality(folder, `star quality, ${rawRows} raw rows`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Listening sessions of three tracks each, and what they refer to, as the connector lands them: JSON in a table. */
async function generateRaw(file: string, rawRows: number): Promise<void> {
  mkdirSync(dirname(file), { recursive: true });
  const instance = await DuckDBInstance.create(file, { threads: "2" });
  const connection = await instance.connect();
  const any = (salt: number, count: number) => `hash(i * 7 + ${salt}) % ${count}`;
  const statements = [
    "create schema raw",
    `create table raw.tracks as select format('{{"id":{},"name":"track {}","artist":"artist {}","duration":"{:02d}:{:02d}","genres":["g{}"]}}', i, i, i % 5000, i % 9, i % 60, i % 12) as data from range(${TRACKS}) as r(i)`,
    `create table raw.users as select format('{{"id":{},"first_name":"user {}","email":"{}@example.org","favorite_genre":"g{}"}}', i, i, i, i % 12) as data from range(${USERS}) as r(i)`,
    `create table raw.listens as select format('{{"id":{},"user_id":{},"items":[{},{},{}],"created_at":"2026-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}","updated_at":"2026-12-{:02d}T00:00:00"}}', i, ${any(1, USERS)}, ${any(2, TRACKS)}, ${any(3, TRACKS)}, ${any(4, TRACKS)}, i % 12 + 1, i % 28 + 1, i % 24, i % 60, i % 59, i % 28 + 1) as data from range(${rawRows}) as r(i)`,
  ];
  for (const statement of statements) await connection.run(statement);
  connection.closeSync();
  instance.closeSync();
}

const LISTENS = `with listens as (
    select
        cast(data ->> '$.id' as bigint) as session_id,
        cast(data ->> '$.user_id' as bigint) as user_id,
        cast(data ->> '$.created_at' as timestamp) as listened_at,
        cast(data ->> '$.updated_at' as timestamp) as updated_at,
        cast(data -> '$.items' as bigint[]) as items
    from {{ source('raw', 'listens') }}
)
select
    session_id * 3 + place - 1 as listen_id,
    session_id,
    user_id,
    items[place] as track_id,
    cast(listened_at as date) as listened_on,
    cast(place as integer) as position,
    listened_at,
    updated_at
from listens, range(1, 4) as places(place)
`;

const FILES: Readonly<Record<string, string>> = {
  "project.yml": "name: star\nmodels:\n  star:\n    +materialized: table\n",
  "profiles.yml":
    "star:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: data/warehouse.duckdb, threads: 2}\n",
  "models/dim_tracks.sql":
    "select\n    cast(data ->> '$.id' as bigint) as track_id,\n    data ->> '$.name' as name,\n    data ->> '$.artist' as artist\nfrom {{ source('raw', 'tracks') }}\n",
  "models/dim_users.sql":
    "select\n    cast(data ->> '$.id' as bigint) as user_id,\n    data ->> '$.email' as email,\n    data ->> '$.favorite_genre' as genre\nfrom {{ source('raw', 'users') }}\n",
  "models/dim_dates.sql":
    "select cast(range as date) as date_day\nfrom range(date '2026-01-01', date '2027-01-01', interval 1 day)\n",
  "models/fct_listens.sql": LISTENS,
  "models/schema.yml": `sources:
  - name: raw
    tables: [{name: tracks}, {name: users}, {name: listens}]
models:
  - name: fct_listens
    columns:
      - name: listen_id
        data_tests: [unique, not_null]
      - name: session_id
        data_tests: [not_null]
      - name: user_id
        data_tests: [not_null, {relationships: {to: ref('dim_users'), field: user_id}}]
      - name: track_id
        data_tests: [not_null, {relationships: {to: ref('dim_tracks'), field: track_id}}]
      - name: listened_on
        data_tests: [not_null, {relationships: {to: ref('dim_dates'), field: date_day}}]
      - name: position
        data_tests: [{accepted_values: {values: [1, 2, 3], quote: false}}, {accepted_range: {min_value: 1, max_value: 3}}]
      - name: listened_at
        data_tests: [not_null]
`,
};

function writeProject(folder: string): void {
  for (const [name, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

function report(name: string, { ours, bare, cpuRatio, wallRatio }: Comparison, bound: number): void {
  const figures = [
    `cpu ${ours.cpuSeconds.toFixed(2)} s (bare ${bare.cpuSeconds.toFixed(2)}, ratio ${cpuRatio.toFixed(2)}, bound ${bound.toFixed(2)})`,
    `wall ${ours.wallSeconds.toFixed(2)} s (bare ${bare.wallSeconds.toFixed(2)}, ratio ${wallRatio.toFixed(2)})`,
    `memory ${ours.peakMb.toFixed(0)} MB (bare ${bare.peakMb.toFixed(0)})`,
  ];
  console.log(`${name}: ${figures.join(", ")}`);
}
