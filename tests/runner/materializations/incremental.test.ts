import { describe, expect, test } from "vitest";
import { createProject, mistakesIn, openWarehouse, type Warehouse } from "../project.ts";

/** A model that takes what is newer than its table, from a table that the tests fill. */
const model = (config: string, columns = "id, name") =>
  `{{ config(materialized='incremental'${config === "" ? "" : `, ${config}`}) }}
select ${columns} from main.input
{{#if (is_incremental)}}
where batch > (select coalesce(max(batch), 0) from main.done)
{{/if}}`;

async function started(config: string, columns?: string) {
  const project = createProject({ "models/m.sql": model(config, columns) });
  const warehouse = await openWarehouse(project);
  await warehouse.session.run("create table main.input (batch integer, id integer, name varchar)");
  await warehouse.session.run("create table main.done (batch integer)");
  return { project, warehouse };
}

/** What comes with a batch; the batches before it are done. */
async function give({ session }: Warehouse, batch: number, rows: string): Promise<void> {
  await session.run(`insert into main.input select ${batch}, * from (values ${rows})`);
  await session.run("delete from main.done");
  await session.run(`insert into main.done values (${batch - 1})`);
}

const rowsOf = async ({ session }: Warehouse, columns = "id, name") =>
  (await session.query(`select ${columns} from main.m order by all`)).rows;

async function built(warehouse: Warehouse, options: { isFullRefresh?: boolean } = {}) {
  const [result] = await warehouse.build(options);
  if (result?.error) throw result.error;
  return result?.rows;
}

describe("an incremental model", () => {
  test.each([
    [
      "",
      [
        [1, "a"],
        [1, "a"],
        [2, "b"],
        [2, "c"],
        [3, "d"],
      ],
    ],
    [
      "incremental_strategy='append', unique_key='id'",
      [
        [1, "a"],
        [1, "a"],
        [2, "b"],
        [2, "c"],
        [3, "d"],
      ],
    ],
    [
      "unique_key='id'",
      [
        [1, "a"],
        [2, "c"],
        [3, "d"],
      ],
    ],
    [
      "unique_key=['id'], incremental_strategy='delete+insert'",
      [
        [1, "a"],
        [2, "c"],
        [3, "d"],
      ],
    ],
    [
      "unique_key='id', incremental_strategy='merge'",
      [
        [1, "a"],
        [2, "c"],
        [3, "d"],
      ],
    ],
    [
      "unique_key=['id', 'name']",
      [
        [1, "a"],
        [2, "b"],
        [2, "c"],
        [3, "d"],
      ],
    ],
    [
      "unique_key=['ID', 'name'], incremental_strategy='merge'",
      [
        [1, "a"],
        [2, "b"],
        [2, "c"],
        [3, "d"],
      ],
    ],
  ])("with %j adds what is new", async (config, expected) => {
    const { warehouse } = await started(config);
    await give(warehouse, 1, "(1, 'a'), (2, 'b')");
    expect(await built(warehouse)).toBe(2);
    await give(warehouse, 2, "(1, 'a'), (2, 'c'), (3, 'd')");
    // A merge leaves alone what has nothing but its key.
    expect(await built(warehouse)).toBe(config.includes("'ID'") ? 2 : 3);
    expect(await rowsOf(warehouse)).toEqual(expected);
  });

  test.each(["delete+insert", "merge"])(
    "by %s gives the same when it runs twice, nulls in keys too",
    async (strategy) => {
      const { warehouse } = await started(`unique_key=['id'], incremental_strategy='${strategy}'`);
      await give(warehouse, 1, "(1, 'a'), (2, 'b')");
      await built(warehouse);
      await give(warehouse, 2, "(null, 'n'), (2, 'c')");
      await built(warehouse);
      const once = await rowsOf(warehouse);
      await built(warehouse);
      expect(await rowsOf(warehouse)).toEqual(once);
      expect(once).toEqual([
        [1, "a"],
        [2, "c"],
        [null, "n"],
      ]);
    },
  );

  test("is built from nothing with full refresh, unless its own setting says otherwise", async () => {
    const { project, warehouse } = await started("");
    await give(warehouse, 1, "(1, 'a')");
    await built(warehouse);
    await give(warehouse, 2, "(2, 'b')");
    expect(await built(warehouse, { isFullRefresh: true })).toBe(2);
    project.write("models/m.sql", model("full_refresh=false"));
    expect(await built(warehouse, { isFullRefresh: true })).toBe(1);
    project.write("models/m.sql", model("full_refresh=true"));
    expect(await built(warehouse)).toBe(2);
  });

  test("that was a view is built from nothing", async () => {
    const { warehouse } = await started("");
    await give(warehouse, 1, "(1, 'a')");
    await warehouse.session.run("create view main.m as select 5 as id, 'old' as name");
    await give(warehouse, 2, "(2, 'b')");
    expect(await built(warehouse)).toBe(2);
  });

  test("merges the columns that it is told to", async () => {
    const columns = "id, name, batch";
    const { project, warehouse } = await started(
      "unique_key='id', incremental_strategy='merge', merge_update_columns=['batch']",
      columns,
    );
    await give(warehouse, 1, "(1, 'a')");
    await built(warehouse);
    await give(warehouse, 2, "(1, 'b')");
    await built(warehouse);
    expect(await rowsOf(warehouse, columns)).toEqual([[1, "a", 2]]);
    const but = "unique_key='id', incremental_strategy='merge', merge_exclude_columns='batch'";
    project.write("models/m.sql", model(but, columns));
    await give(warehouse, 3, "(1, 'c')");
    await built(warehouse);
    expect(await rowsOf(warehouse, columns)).toEqual([[1, "c", 2]]);
  });

  test.each([
    [
      "delete+insert",
      "name <> ''keep''",
      [
        [1, "b"],
        [2, "b"],
        [2, "keep"],
      ],
    ],
    [
      "merge",
      "DBT_INTERNAL_DEST.name <> ''keep''",
      [
        [1, "b"],
        [2, "b"],
        [2, "keep"],
      ],
    ],
  ])("by %s touches the rows of its predicates", async (strategy, predicate, expected) => {
    const quoted = `"${predicate.replaceAll("''", "'")}"`;
    const { warehouse } = await started(
      `unique_key='id', incremental_strategy='${strategy}', incremental_predicates=[${quoted}]`,
    );
    await give(warehouse, 1, "(1, 'a'), (2, 'keep')");
    await built(warehouse);
    await give(warehouse, 2, "(1, 'b'), (2, 'b')");
    await built(warehouse);
    expect(await rowsOf(warehouse)).toEqual(expected);
  });

  test("keeps its rows when the new ones fail, and says where", async () => {
    const { project, warehouse } = await started("unique_key='id'");
    await give(warehouse, 1, "(1, 'a')");
    await built(warehouse);
    await give(warehouse, 2, "(1, 'b')");
    project.write(
      "models/m.sql",
      model("unique_key='id'", "id, case when name = 'b' then error('half way') else name end as name"),
    );
    const [result] = await warehouse.build();
    expect(result).toMatchObject({ status: "error", error: { code: "MODEL_SQL" } });
    expect(await rowsOf(warehouse)).toEqual([[1, "a"]]);
    project.write("models/m.sql", model("unique_key='id'", "id,\n  nope"));
    expect((await warehouse.build())[0]?.error?.where).toBe("models/m.sql:3:3");
    expect((await warehouse.session.query("select * from duckdb_tables() where temporary")).rows).toEqual([]);
  });

  test("refuses to merge two new rows of one key", async () => {
    const { warehouse } = await started("unique_key='id', incremental_strategy='merge'");
    await give(warehouse, 1, "(1, 'a')");
    await built(warehouse);
    await give(warehouse, 2, "(1, 'b'), (1, 'c')");
    expect((await warehouse.build())[0]?.error).toMatchObject({
      code: "INCREMENTAL_DUPLICATES",
      why: ["1: 2 rows"],
      hint: expect.stringContaining("one row per key"),
    });
    expect(await rowsOf(warehouse)).toEqual([[1, "a"]]);
  });

  test("says when its key is no column", async () => {
    const { warehouse } = await started("unique_key='nope'");
    await give(warehouse, 1, "(1, 'a')");
    await built(warehouse);
    expect((await warehouse.build())[0]?.error).toMatchObject({
      code: "INCREMENTAL_KEY",
      message: 'unique_key of "m" names what is no column: nope',
      hint: expect.stringContaining("list"),
    });
  });

  test("is for another session the old or the new table, never without rows", async () => {
    const { warehouse } = await started("unique_key='id'");
    const all = Array.from({ length: 200 }, (_, id) => `(${id}, 'x')`).join(", ");
    await give(warehouse, 1, all);
    await built(warehouse);
    const reader = await warehouse.engine.openSession();
    const seen = new Set<string>();
    let isDone = false;
    const building = (async () => {
      for (let batch = 2; batch < 8; batch++) {
        await give(warehouse, batch, all.replaceAll("'x'", `'v${batch}'`));
        await built(warehouse);
      }
      isDone = true;
    })();
    while (!isDone) {
      const { rows } = await reader.query("select count(*), min(name) = max(name) from main.m");
      seen.add(JSON.stringify(rows[0]));
    }
    await building;
    expect([...seen]).toEqual(['["200",true]']);
  });
});

describe("when the columns of an incremental model change", () => {
  const changed = async (onChange: string, columns: string, config = "unique_key='id'") => {
    const { project, warehouse } = await started(config);
    await give(warehouse, 1, "(1, 'a'), (2, 'b')");
    await built(warehouse);
    await give(warehouse, 2, "(2, 'c')");
    project.write("models/m.sql", model(`${config}, on_schema_change='${onChange}'`, columns));
    return { warehouse, result: (await warehouse.build())[0] };
  };

  test("ignore leaves new ones out", async () => {
    const { warehouse } = await changed("ignore", "batch, name, id");
    expect(await rowsOf(warehouse, "*")).toEqual([
      [1, "a"],
      [2, "c"],
    ]);
  });

  test("ignore refuses to go on without one", async () => {
    const { warehouse, result } = await changed("ignore", "id");
    expect(result?.error).toMatchObject({
      code: "INCREMENTAL_COLUMNS",
      why: expect.arrayContaining(["in the table, not in the query: name VARCHAR"]),
      hint: expect.stringContaining("--full-refresh"),
    });
    expect(await rowsOf(warehouse)).toEqual([
      [1, "a"],
      [2, "b"],
    ]);
  });

  test("append_new_columns adds them, empty for old rows, and keeps those that went", async () => {
    const { warehouse } = await changed("append_new_columns", "id, batch");
    expect(await rowsOf(warehouse, "id, name, batch")).toEqual([
      [1, "a", null],
      [2, null, 2],
    ]);
  });

  test.each(["", ", incremental_strategy='merge'"])(
    "sync_all_columns adds, drops and retypes them%s",
    async (more) => {
      const { warehouse } = await changed(
        "sync_all_columns",
        "cast(id as bigint) as id, batch",
        `unique_key='id'${more}`,
      );
      const { columns, types } = await warehouse.session.query("select * from main.m");
      expect([columns, types]).toEqual([
        ["id", "batch"],
        ["BIGINT", "INTEGER"],
      ]);
      expect(await rowsOf(warehouse, "*")).toEqual([
        ["1", null],
        ["2", 2],
      ]);
    },
  );

  test.each([
    ["id, name, batch", "in the query, not in the table: batch INTEGER"],
    ["cast(id as bigint) as id, name", "id is INTEGER in the table, BIGINT in the query"],
  ])("fail fails at %s", async (columns, why) => {
    const { warehouse, result } = await changed("fail", columns);
    expect(result?.error?.why).toContain(why);
    expect(await rowsOf(warehouse)).toEqual([
      [1, "a"],
      [2, "b"],
    ]);
  });

  test("full_refresh builds the table anew", async () => {
    const { warehouse, result } = await changed("full_refresh", "id, batch");
    expect(result?.rows).toBe(3);
    expect(await rowsOf(warehouse, "*")).toEqual([
      [1, 1],
      [2, 1],
      [2, 2],
    ]);
  });
});

describe("a mistake in an incremental model is found before anything runs", () => {
  test("in the branch that only later runs take", () => {
    const sql =
      "{{ config(materialized='incremental') }}\nselect 1\n{{#if (is_incremental)}}\n{{ var('nope') }}\n{{/if}}";
    expect(mistakesIn({ "models/m.sql": sql })).toMatchObject([
      { code: "VAR_MISSING", where: "models/m.sql:4:4" },
    ]);
  });

  test.each([
    ["merge_update_columns=['a'], merge_exclude_columns=['b']", "exclude each other"],
    ["incremental_strategy='delete'", 'config "incremental_strategy" cannot be "delete"'],
    ["on_schema_change='sync'", 'config "on_schema_change" cannot be "sync"'],
    ["unique_key=5", 'config "unique_key" is wrong: expected a text or a list of texts'],
  ])("in %s", (config, message) => {
    const mistakes = mistakesIn({ "models/m.sql": model(config) });
    expect(mistakes).toMatchObject([{ code: "CONFIG_INVALID", message: expect.stringContaining(message) }]);
  });
});
