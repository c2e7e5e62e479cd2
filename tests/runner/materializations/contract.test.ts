import { describe, expect, test } from "vitest";
import { createProject, mistakesIn, openWarehouse } from "../project.ts";

const yaml = (columns: string, more = "") =>
  `models:\n- name: m\n  config: {contract: {enforced: true}${more}}\n  columns:\n${columns}`;
const COLUMNS =
  "  - {name: id, data_type: int, constraints: [{type: primary_key}]}\n  - {name: name, data_type: text, constraints: [{type: not_null}, {type: check, expression: name <> ''}]}\n  - {name: price, data_type: numeric}\n";
const sql = (select: string, materialized = "table") =>
  `{{ config(materialized='${materialized}', on_schema_change='fail', unique_key='id') }}\n${select}`;
const GOOD = "select cast(1.5 as decimal(9, 2)) as price, 'a' as name, 1 as ID";

async function built(select: string, options: { materialized?: string; columns?: string } = {}) {
  const project = createProject({
    "models/m.sql": sql(GOOD, options.materialized),
    "models/m.yml": yaml(options.columns ?? COLUMNS),
  });
  const warehouse = await openWarehouse(project);
  const first = await warehouse.build();
  project.write("models/m.sql", sql(select, options.materialized));
  const second = await warehouse.build();
  const { rows } = await warehouse.session.query("select id, name from main.m order by id");
  return { project, warehouse, first: first[0], second: second[0], rows };
}

describe("a contract", () => {
  test.each(["table", "incremental", "view"])(
    "that a %s keeps gives it its columns",
    async (materialized) => {
      const { first, second, rows, warehouse } = await built(GOOD.replace("'a'", "'b'"), { materialized });
      expect([first?.error, second?.error]).toEqual([null, null]);
      expect(rows).toEqual([[1, "b"]]);
      const { columns } = await warehouse.session.query("select * from main.m");
      expect(columns).toEqual(materialized === "view" ? ["price", "name", "ID"] : ["id", "name", "price"]);
    },
  );

  test.each(["table", "incremental", "view"])(
    "that a %s breaks leaves it as it was, and says how",
    async (materialized) => {
      const { second, rows } = await built("select cast(1 as bigint) as id, 'b' as name, true as extra", {
        materialized,
      });
      expect(second?.error).toMatchObject({
        code: "CONTRACT_BROKEN",
        message: 'the columns of "m" break its contract',
        why: [
          "column   contract        query",
          "id       INTEGER         BIGINT",
          "price    DECIMAL(18,3)   –",
          "extra    –               BOOLEAN",
        ],
        hint: expect.stringContaining("models/m.yml"),
      });
      expect(rows).toEqual([[1, "a"]]);
    },
  );

  test.each([
    ["not_null", GOOD.replace("'a'", "cast(null as varchar)"), "NOT NULL constraint"],
    ["check", GOOD.replace("'a'", "''"), "CHECK constraint"],
    ["primary_key", `${GOOD} union all ${GOOD}`, "duplicate key"],
  ])("has its %s constraint kept by the table", async (_, select, message) => {
    const { second, rows } = await built(select);
    expect(second?.error?.message).toContain(message);
    expect(rows).toEqual([[1, "a"]]);
  });

  test("has constraints over several columns, and warns of those that nobody keeps", async () => {
    const table =
      "  constraints: [{type: unique, columns: [id, name]}, {type: foreign_key, columns: [id], to: ref('x'), to_columns: [id]}]\n";
    const { second, project } = await built(`${GOOD} union all ${GOOD}`, {
      columns: COLUMNS.replace("{type: primary_key}", "") + table,
    });
    expect(second?.error?.message).toContain("duplicate key");
    expect(project.log.find(({ event }) => event === "constraint_unenforced")?.message).toBe(
      "m: foreign_key is not enforced; a data test checks it",
    );
  });

  test("names a type that the engine does not know", async () => {
    const warehouse = await openWarehouse(
      createProject({
        "models/m.sql": "select 1 as id",
        "models/m.yml": yaml("  - {name: id, data_type: inteher}\n"),
      }),
    );
    expect((await warehouse.build())[0]?.error).toMatchObject({
      code: "CONTRACT_TYPE",
      why: ["id: inteher"],
      hint: "correct data_type",
    });
  });

  test("points at the author's line when the query itself is wrong", async () => {
    const { second } = await built("select 1 as id,\n  nope");
    expect(second?.error).toMatchObject({ code: "MODEL_SQL", where: "models/m.sql:3:3" });
  });

  test.each([
    ["  - {name: id}\n", "", "does not give the type of every column"],
    [
      "  - {name: id, data_type: int, constraints: [{type: check}]}\n",
      "",
      "the check constraint of id is incomplete",
    ],
    [
      `${COLUMNS}  constraints: [{type: unique, columns: [nope]}]\n`,
      "",
      "the unique constraint of m is incomplete",
    ],
    [COLUMNS, ", materialized: ephemeral", "an ephemeral model cannot have a contract"],
    [COLUMNS, ", materialized: incremental, on_schema_change: ignore", 'on_schema_change "ignore"'],
  ])("that cannot be kept is a mistake of the project", (columns, more, message) => {
    const mistakes = mistakesIn({ "models/m.sql": "select 1 as id", "models/m.yml": yaml(columns, more) });
    expect(mistakes).toMatchObject([{ code: "CONFIG_INVALID", message: expect.stringContaining(message) }]);
  });
});

describe("persist_docs", () => {
  test.each(["table", "view", "incremental"])("writes descriptions beside a %s", async (materialized) => {
    const project = createProject({
      "models/m.sql": sql("select 1 as id, 2 as b", materialized),
      "models/m.yml":
        "models: [{name: m, description: It's m., config: {persist_docs: {relation: true, columns: true}}, columns: [{name: ID, description: Its key.}, {name: gone, description: x}]}]",
    });
    const warehouse = await openWarehouse(project);
    const comments = async () => {
      const kind = materialized === "view" ? "view" : "table";
      const of = await warehouse.session.query(
        `select comment from duckdb_${kind}s() where ${kind}_name = 'm'`,
      );
      const columns = await warehouse.session.query(
        "select comment from duckdb_columns() where table_name = 'm' order by column_index",
      );
      return [...of.rows, ...columns.rows].flat();
    };
    expect((await warehouse.build())[0]?.error).toBeNull();
    expect(await comments()).toEqual(["It's m.", "Its key.", null]);
    project.write("models/m.yml", "models: [{name: m, config: {persist_docs: {relation: true}}}]");
    await warehouse.build();
    expect((await comments())[0]).toBeNull();
  });
});
