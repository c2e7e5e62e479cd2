import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startApi } from "../../moovitamix/server.ts";
import { copyProject, run } from "./cli.ts";

/** The answer of a command with --json, its exit code beside it. */
async function ask(cwd: string, ...args: string[]) {
  const { exitCode, stdout } = await run([...args, "--json"], { cwd });
  return { exitCode, ...JSON.parse(stdout) };
}

/** What another program sees in files, and makes of them. */
async function elsewhere(sql: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowObjectsJson();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

let cwd = "";
const file = (name: string) => join(cwd, "out", name);

beforeAll(async () => {
  cwd = copyProject(mkdtempSync(join(tmpdir(), "sillon-")));
  const api = await startApi({ seed: 3, users: 250, tracks: 300, plays: 12_000 });
  expect(await run(["pipeline"], { cwd, env: { MOOVITAMIX_URL: api.url } })).toMatchObject({ exitCode: 0 });
  await api.stop();
  expect(await run(["reco", "train"], { cwd })).toMatchObject({ exitCode: 0 });
  expect(await run(["reco", "export", "-o", "out"], { cwd })).toMatchObject({ exitCode: 0 });
}, 120_000);

afterAll(() => rmSync(cwd, { recursive: true, force: true }));

test("a version is evaluated as it was in training, and recorded", async () => {
  const { experiments } = await ask(cwd, "reco", "experiments");
  const found = await ask(cwd, "reco", "evaluate");
  expect(found).toMatchObject({ exitCode: 0, model_version: 1, kind: "blend", has_seen_test: false });
  expect(found.metrics.discover.ndcg).toBeCloseTo(experiments.at(-1).metrics.discover.ndcg, 12);
  expect(found.metrics.discover.interval).toHaveLength(2);
  expect(Object.keys(found.metrics.discover.activity).length).toBeGreaterThan(1);
  const after = (await ask(cwd, "reco", "experiments")).experiments;
  expect(after[0]).toMatchObject({ id: found.experiment, command: "evaluate" });
  expect(await ask(cwd, "reco", "compare", "e1", found.experiment)).toMatchObject({ same_split: true });
  expect((await ask(cwd, "reco", "ls")).models).toHaveLength(1);
});

test("an export has what was known before its cut-off, and nothing else", async () => {
  const manifest = JSON.parse(readFileSync(file("manifest.json"), "utf8"));
  const names = ["interactions", "listens", "users", "tracks", "user_tracks", "catalogue"];
  expect(manifest.files.map(({ name }: { name: string }) => name)).toEqual(
    names.map((name) => `${name}.parquet`),
  );
  const [seen] = await elsewhere(
    `select max(listened_at) < timestamp '${manifest.cutoff}' as is_before, count(*) as n from '${file("listens.parquet")}'`,
  );
  expect(seen?.is_before).toBe(true);
  expect(Number(seen?.n)).toBe(manifest.files[1].rows);
  const [pairs] = await elsewhere(
    `select count(*) as n, sum(plays) as plays, (select count(*) from '${file("listens.parquet")}') as listens from '${file("interactions.parquet")}'`,
  );
  expect(Number(pairs?.plays)).toBe(Number(pairs?.listens));
  const [users] = await elsewhere(
    `select count(distinct cutoff) as n, max(cutoff)::varchar as cutoff from '${file("users.parquet")}'`,
  );
  expect(users).toEqual({ n: "1", cutoff: manifest.cutoff });
  const csv = await ask(cwd, "reco", "export", "--cutoff", "newest", "--format", "csv", "-o", "newest");
  expect(csv.cutoff > manifest.cutoff).toBe(true);
  expect(readFileSync(join(cwd, "newest/interactions.csv"), "utf8")).toMatch(
    /^user_id,track_id,plays,decayed_plays,weight\n\d+,/,
  );
});

test("lists that were made elsewhere are judged, promoted and served", async () => {
  const lists = file("lists.parquet");
  await elsewhere(`copy (
    select users.user_id, popular.track_id, popular.rank
    from (select distinct user_id from '${file("interactions.parquet")}') as users
    cross join (select track_id, row_number() over (order by sum(decayed_plays) desc, track_id) as rank from '${file("interactions.parquet")}' group by track_id qualify rank <= 80) as popular
    union all select 999999999, 1, 1
  ) to '${lists}' (format parquet)`);
  const found = await ask(
    cwd,
    "reco",
    "register",
    "--lists",
    "out/lists.parquet",
    "--name",
    "popular <b>",
    "--no-promote",
  );
  expect(found).toMatchObject({
    exitCode: 0,
    model_version: 2,
    kind: "lists",
    promoted: false,
    unknown_rows: 1,
  });
  expect(found.gate[0]).toEqual({
    name: "unseen_test",
    passed: true,
    text: expect.stringContaining("the test begins on"),
  });
  expect(found.metrics.discover.ndcg).toBeGreaterThan(0);
  expect((await ask(cwd, "reco", "evaluate", "v2")).metrics.discover.ndcg).toBeCloseTo(
    found.metrics.discover.ndcg,
    12,
  );
  expect(await ask(cwd, "reco", "promote", "v2", "--force")).toMatchObject({ exitCode: 0, model_version: 2 });
  expect(await ask(cwd, "reco", "infer")).toMatchObject({ exitCode: 0, model_version: 2, users: 250 });
  const [first] = (
    await ask(
      cwd,
      "show",
      "--inline",
      "select user_id, track_id from {{ ref('recommendations') }} where shelf = 'discover' and rank = 1 order by user_id",
      "--limit",
      "1",
    )
  ).rows;
  const given = await elsewhere(
    `select track_id from '${lists}' where user_id = ${first.user_id} and track_id not in (select track_id from '${file("interactions.parquet")}' where user_id = ${first.user_id}) order by rank limit 15`,
  );
  expect(given.map(({ track_id }) => String(track_id))).toContain(String(first.track_id));
  expect((await ask(cwd, "reco", "train")).gate.at(-1).text).toContain("champion v2");
  expect(await ask(cwd, "reco", "rollback")).toMatchObject({ exitCode: 0 });
  const page = await run(["reco", "show", "v2", "--output", "card.html"], { cwd });
  expect(page).toMatchObject({ exitCode: 0, stdout: "written to card.html\n" });
  const html = readFileSync(join(cwd, "card.html"), "utf8");
  expect(html).toContain("<h1>Model v2</h1>");
  expect(html).toContain("popular &lt;b&gt;");
  expect(html).toContain("<th>discover</th>");
}, 60_000);

test("factors that were learned elsewhere are judged and registered; those of later data do not pass", async () => {
  await elsewhere(`copy (
    select track_id, [sum(plays) / 10, random(), random() / 2] as factors from '${file("interactions.parquet")}' group by track_id
  ) to '${file("factors.parquet")}' (format parquet)`);
  const found = await ask(cwd, "reco", "register", "--factors", "out/factors.parquet", "--cutoff", "newest");
  expect(found).toMatchObject({ exitCode: 0, kind: "factors", promoted: false, unknown_rows: 0 });
  expect(found.gate[0]).toMatchObject({ name: "unseen_test", passed: false });
  expect((await ask(cwd, "reco", "ls")).models[0]).toMatchObject({
    kind: "factors",
    shape: { factors: 3 },
    aliases: ["challenger"],
  });
  expect(await ask(cwd, "reco", "evaluate", "challenger")).toMatchObject({ has_seen_test: true });
}, 60_000);

describe("is refused, and nothing is registered:", () => {
  const CSV = "user_id,track_id,rank\n";
  test.each<[what: string, name: string, kind: string, content: string, message: string]>([
    ["no rows", "l.csv", "--lists", CSV, "the file has no rows"],
    [
      "a missing column",
      "l.csv",
      "--lists",
      "user_id,track,rank\n1,2,1\n",
      "a file of lists needs the column track_id",
    ],
    [
      "a wrong rank",
      "l.csv",
      "--lists",
      `${CSV}1,2,0\n`,
      "rank is not a whole number from 1 on: user 1, track 2",
    ],
    ["a rank twice", "l.csv", "--lists", `${CSV}1,2,1\n1,3,1\n`, "the same track or rank twice for one user"],
    [
      "a track twice",
      "l.csv",
      "--lists",
      `${CSV}1,2,1\n1,2,2\n`,
      "the same track or rank twice for one user",
    ],
    ["strangers", "l.csv", "--lists", `${CSV}1,2,1\n`, "it names no user and track that this project has"],
    ["a missing id", "l.csv", "--lists", `${CSV}1,,1\n`, "user_id or track_id is missing in a row"],
    [
      "no numbers",
      "f.ndjson",
      "--factors",
      '{"track_id": 1, "factors": [1, null]}\n',
      "factors of track 1 are not all finite numbers",
    ],
    [
      "NaN",
      "f.ndjson",
      "--factors",
      '{"track_id": 1, "factors": ["1", "nan"]}\n',
      "factors of track 1 are not all finite numbers",
    ],
    [
      "other lengths",
      "f.ndjson",
      "--factors",
      '{"track_id": 1, "factors": [1, 2]}\n{"track_id": 2, "factors": [1]}\n',
      "track 2 has 1 factors, others have 2",
    ],
    [
      "a track's twice",
      "f.ndjson",
      "--factors",
      '{"track_id": 1, "factors": [1]}\n{"track_id": 1, "factors": [1]}\n',
      "track 1 has factors twice",
    ],
    [
      "unknown tracks",
      "f.ndjson",
      "--factors",
      '{"track_id": 1, "factors": [1]}\n',
      "it names no track that this project has",
    ],
    ["texts", "f.ndjson", "--factors", '{"track_id": 1, "factors": "a"}\n', "the file cannot be read"],
    ["damage", "f.parquet", "--factors", "PAR1 no", "the file cannot be read"],
    ["another format", "f.pkl", "--factors", "x", 'it is not clear what "out/f.pkl" holds'],
  ])("%s", async (_, name, kind, content, message) => {
    const before = (await ask(cwd, "reco", "ls")).models.length;
    writeFileSync(file(name), content);
    const { exitCode, errors } = await ask(cwd, "reco", "register", kind, `out/${name}`);
    expect(exitCode).toBe(2);
    expect(errors[0]).toMatchObject({ code: "RECO_FILE_INVALID", where: `out/${name}` });
    expect(errors[0].message).toContain(message);
    expect((await ask(cwd, "reco", "ls")).models).toHaveLength(before);
  });

  test("a file that is not there, none, two, an unknown cut-off or version", async () => {
    const said = async (...args: string[]) => {
      const { exitCode, errors } = await ask(cwd, "reco", ...args);
      return [exitCode, errors[0].code, errors[0].message];
    };
    expect(await said("register", "--lists", "no.csv")).toEqual([
      2,
      "RECO_FILE_INVALID",
      "there is no such file",
    ]);
    const usage = [2, "RECO_USAGE", "name one file: --lists or --factors"];
    expect(await said("register")).toEqual(usage);
    expect(await said("register", "--lists", "a.csv", "--factors", "b.csv")).toEqual(usage);
    const cutoff = [2, "RECO_CUTOFF_UNKNOWN", 'there are no features as of "2001-01-01"'];
    expect(await said("export", "--cutoff", "2001-01-01", "-o", "none")).toEqual(cutoff);
    expect(existsSync(join(cwd, "none/manifest.json"))).toBe(false);
    expect(await said("evaluate", "v77")).toEqual([
      2,
      "RECO_MODEL_UNKNOWN",
      'no model "v77" in the registry',
    ]);
  });
});
