import { describe, expect, test } from "vitest";
import { runNodes } from "../../runner/build/run-nodes.ts";
import { createSessionPool } from "../../runner/build/session-pool.ts";
import { snapshotsOf } from "../../runner/graph/nodes.ts";
import { createProject, mistakesIn, openWarehouse } from "./project.ts";

const yaml = (config: string) =>
  `sources: [{name: raw, tables: [{name: t}]}]\nsnapshots: [{name: s, relation: "source('raw', 't')", config: {unique_key: id, ${config}}}]`;

/** A snapshot of `raw.t` that is taken on days of March, and read back. */
async function open(config: string, columns = "id int, name varchar, changed_at timestamp") {
  const project = createProject({ "snapshots/s.yml": yaml(config) });
  const { engine, session } = await openWarehouse(project);
  await session.run("create schema raw");
  await session.run(`create table raw.t (${columns})`);
  const { graph } = project.scope();
  return {
    session,
    put: async (rows: string) => {
      await session.run("delete from raw.t");
      if (rows !== "") await session.run(`insert into raw.t values ${rows}`);
    },
    take: async (day: number) => {
      const ctx = {
        ...project.ctx,
        clock: { ...project.ctx.clock, now: () => new Date(Date.UTC(2026, 2, day)) },
      };
      const pool = createSessionPool(engine, 1);
      const [result] = await runNodes(ctx, pool, { graph, nodes: snapshotsOf(graph), compiled: new Map() });
      return result;
    },
    versions: async (more = "") => {
      const day = (name: string) => `strftime(${name}, '%d')`;
      const { rows } = await session.query(
        `select id, name, ${day("dbt_valid_from")}, ${day("dbt_valid_to")}${more} from s order by id, dbt_valid_from, dbt_valid_to`,
      );
      return rows;
    },
  };
}

describe("a snapshot", () => {
  test("by timestamp ends the former version of what changed, and is the same when taken twice", async () => {
    const { put, take, versions } = await open("strategy: timestamp, updated_at: changed_at");
    await put("(1, 'a', '2026-03-01'), (2, 'b', '2026-03-01')");
    expect(await take(2)).toMatchObject({ status: "success", rows: 2 });
    await put("(1, 'x', '2026-03-03'), (2, 'b', '2026-03-01'), (3, 'c', '2026-03-03')");
    expect(await take(4)).toMatchObject({ status: "success", rows: 2 });
    const expected = [
      [1, "a", "01", "03"],
      [1, "x", "03", null],
      [2, "b", "01", null],
      [3, "c", "03", null],
    ];
    expect(await versions()).toEqual(expected);
    expect(await take(5)).toMatchObject({ status: "success", rows: 0 });
    expect(await versions()).toEqual(expected);
  });

  test("by check looks at its columns, and nothing else", async () => {
    const { put, take, versions } = await open("strategy: check, check_cols: [name]");
    await put("(1, 'a', '2026-03-01'), (2, null, '2026-03-01')");
    await take(2);
    await put("(1, 'a', '2026-03-03'), (2, 'b', '2026-03-03')");
    expect(await take(4)).toMatchObject({ rows: 1 });
    expect(await versions()).toEqual([
      [1, "a", "02", null],
      [2, null, "02", "04"],
      [2, "b", "04", null],
    ]);
  });

  test.each([
    ["ignore", [[1, "a", "02", null]]],
    ["invalidate", [[1, "a", "02", "03"]]],
  ])("with hard_deletes: %s", async (mode, expected) => {
    const { put, take, versions } = await open(`strategy: check, check_cols: all, hard_deletes: ${mode}`);
    await put("(1, 'a', '2026-03-01')");
    await take(2);
    await put("");
    await take(3);
    await take(4);
    expect(await versions()).toEqual(expected);
  });

  test("with hard_deletes: new_record says that a row is gone, and that it came back", async () => {
    const { put, take, versions } = await open("strategy: check, check_cols: all, hard_deletes: new_record");
    await put("(1, 'a', '2026-03-01')");
    await take(2);
    await put("");
    expect(await take(3)).toMatchObject({ rows: 1 });
    expect(await take(4)).toMatchObject({ rows: 0 });
    await put("(1, 'a', '2026-03-01')");
    expect(await take(5)).toMatchObject({ rows: 1 });
    expect(await versions(", dbt_is_deleted")).toEqual([
      [1, "a", "02", "03", "False"],
      [1, "a", "03", "05", "True"],
      [1, "a", "05", null, "False"],
    ]);
  });

  test("may have an end for current versions, and takes new columns", async () => {
    const config = "strategy: check, check_cols: all, dbt_valid_to_current: \"timestamp '9999-12-31'\"";
    const { session, put, take, versions } = await open(config);
    await put("(1, 'a', '2026-03-01')");
    await take(2);
    await session.run("alter table raw.t add column city varchar");
    await put("(1, 'a', '2026-03-01', 'Paris')");
    await take(3);
    expect(await versions(", city")).toEqual([
      [1, "a", "02", "03", null],
      [1, "a", "03", "31", "Paris"],
    ]);
  });

  test("has dbt's columns, or the names that are given for them", async () => {
    const names = "snapshot_meta_column_names: {dbt_valid_to: until}";
    const { session, put, take } = await open(`strategy: timestamp, updated_at: changed_at, ${names}`);
    await put("(1, 'a', '2026-03-01')");
    await take(2);
    expect((await session.query("from s")).columns.slice(3)).toEqual([
      "dbt_scd_id",
      "dbt_updated_at",
      "dbt_valid_from",
      "until",
    ]);
  });

  test("has the ids that dbt gives", async () => {
    const { session, put, take } = await open("strategy: timestamp, updated_at: changed_at");
    await put("(1, 'a', '2026-01-01')");
    await take(2);
    const { rows } = await session.query(
      "select dbt_scd_id, md5('1|' || cast(changed_at as varchar)) from s",
    );
    expect(rows[0]?.[0]).toBe(rows[0]?.[1]);
  });

  test("whose key is not unique stays as it was", async () => {
    const { put, take, versions } = await open("strategy: check, check_cols: all");
    await put("(1, 'a', null)");
    await take(2);
    await put("(1, 'a', null), (1, 'b', null)");
    expect((await take(3))?.error).toMatchObject({
      code: "SNAPSHOT_KEY",
      message: 'unique_key "id" is not unique: [1] has 2 rows',
      where: "snapshots/s.yml:2:20",
      hint: "give it a unique_key that tells the rows apart; the snapshot stays as it was",
    });
    expect(await versions()).toEqual([[1, "a", "02", null]]);
  });

  test("of what was never built says what to do", async () => {
    const { session, take } = await open("strategy: check, check_cols: all");
    await session.run("drop table raw.t");
    expect((await take(2))?.error).toMatchObject({
      code: "SNAPSHOT_SQL",
      hint: "build what it reads first: run models; or load it: run ingest",
    });
  });
});

test.each([
  ["check_cols: all", 'snapshot "s" has no strategy', "give it strategy: timestamp, or strategy: check"],
  ["strategy: check", 'snapshot "s" has no check_cols', "give it check_cols: all, or a list of columns"],
  [
    "strategy: timestamp",
    'snapshot "s" has no updated_at',
    "give it updated_at: the column with the time of the change",
  ],
])("a snapshot that says only %s is a mistake", (config, message, hint) => {
  const [mistake] = mistakesIn({ "snapshots/s.yml": yaml(config) });
  expect(mistake).toMatchObject({ code: "SNAPSHOT_CONFIG", message, hint, where: "snapshots/s.yml:2:20" });
});

test("models read snapshots, and snapshots models", () => {
  const { model, scope } = createProject({
    "models/a.sql": "select 1 as id",
    "models/b.sql": "select * from {{ ref('s') }}",
    "models/s.yml":
      "snapshots: [{name: s, relation: ref('a'), config: {unique_key: [id], strategy: check, check_cols: all}}]",
  });
  expect(model("b").dependsOn).toEqual(["snapshot.shop.s"]);
  expect(snapshotsOf(scope().graph)[0]?.dependsOn).toEqual(["model.shop.a"]);
});

test("a circle through a snapshot is a mistake", () => {
  const [mistake] = mistakesIn({
    "models/a.sql": "select * from {{ ref('s') }}",
    "models/s.yml":
      "snapshots: [{name: s, relation: ref('a'), config: {unique_key: id, strategy: check, check_cols: all}}]",
  });
  expect(mistake).toMatchObject({ code: "GRAPH_CYCLE", why: ["a -> s -> a"] });
});
