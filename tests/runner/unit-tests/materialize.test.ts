import { describe, expect, test } from "vitest";
import { outcome, testOf } from "./run.ts";

const SOURCE =
  "sources: [{name: raw, tables: [{name: t, columns: [{name: id, data_type: int}, {name: name, data_type: varchar}, {name: seen, data_type: timestamp}], config: {event_time: seen}}]}]\n";
const input = (rows: string) => `{input: "source('raw', 't')", rows: ${rows}}`;
const former = (rows: string) => `{input: this, rows: ${rows}}`;

function incremental(config: string, rest: string, given: string, where = "") {
  const sql = `{{ config(materialized='incremental', ${config}) }} select id, name from {{ source('raw', 't') }}${where}`;
  return { "models/m.sql": sql, "models/m.yml": SOURCE + testOf(`materialize: true\n${rest}`, given) };
}

describe("materialize: true", () => {
  const given = `${input("[{id: 1, name: x}, {id: 2, name: b}]")}, ${former("[{id: 1, name: a}, {id: 3, name: c}]")}`;
  const MERGED = "expect: {rows: [{id: 1, name: x}, {id: 2, name: b}, {id: 3, name: c}]}";

  test.each(["merge", "delete+insert"])("runs the real %s over the former rows, twice", async (strategy) => {
    const config = `unique_key='id', incremental_strategy='${strategy}'`;
    expect(await outcome(incremental(config, MERGED, given))).toBe("pass");
  });

  test("shows what a merge leaves that should have changed", async () => {
    const config = "unique_key='id', incremental_strategy='merge', merge_exclude_columns=['name']";
    expect(await outcome(incremental(config, MERGED, given))).toBe(
      ["            id   name", "  changed   1    x → a", "  2 rows are as expected"].join("\n"),
    );
  });

  test("an append is not idempotent: the second build is compared unless the test says so", async () => {
    const rest = "expect: {rows: [{id: 1}, {id: 2}, {id: 1}, {id: 3}]}";
    const config = "incremental_strategy='append'";
    expect(await outcome(incremental(config, rest, given))).toBe(
      [
        "second build",
        "               id",
        "  unexpected   1",
        "  unexpected   2",
        "  4 rows are as expected",
      ].join("\n"),
    );
    expect(await outcome(incremental(config, `idempotent: false\n${rest}`, given))).toBe("pass");
  });

  test("without former rows it builds the table anew; is_incremental() says what is so", async () => {
    const where = "{{#if (is_incremental)}} where id > (select max(id) from {{ this }}){{/if}}";
    const rows = "[{id: 1, name: a}, {id: 2, name: b}]";
    const rest = "expect: {rows: [{id: 1, name: a}, {id: 2, name: b}]}";
    expect(await outcome(incremental("unique_key='id'", rest, input(rows), where))).toBe("pass");
    const more = `${input(rows)}, ${former("[{id: 1, name: old}]")}`;
    const kept = "expect: {rows: [{id: 1, name: old}, {id: 2, name: b}]}";
    expect(await outcome(incremental("unique_key='id'", kept, more, where))).toBe("pass");
  });

  test("a microbatch replaces the batches that run_started_at makes due", async () => {
    const sql =
      "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='seen', batch_size='day', begin='2026-01-01', lookback=1) }} select id, seen from {{ source('raw', 't') }}";
    const rest =
      "materialize: true\noverrides: {macros: {run_started_at: 2026-01-03 12:00}}\nexpect: {rows: [{id: 10}, {id: 2}, {id: 3}]}";
    const rows = `${input("[{id: 1, seen: 2026-01-01}, {id: 2, seen: 2026-01-02}, {id: 3, seen: 2026-01-03}]")}, ${former("[{id: 10, seen: 2026-01-01}, {id: 20, seen: 2026-01-02}]")}`;
    expect(await outcome({ "models/m.sql": sql, "models/m.yml": SOURCE + testOf(rest, rows) })).toBe("pass");
  });

  test("a mistake of the materialisation names the test", async () => {
    const rows = `${input("[{id: 1, name: x}, {id: 1, name: y}]")}, ${former("[]")}`;
    const config = "unique_key='id', incremental_strategy='merge'";
    expect(await outcome(incremental(config, MERGED, rows))).toMatch(
      /^models\/m\.sql:1:1\nthe new rows of "m" hold the same unique_key more than once\nin unit test t, models\/m\.yml:3:11\n/,
    );
  });

  test("a contract is checked as in the warehouse", async () => {
    const all = incremental("unique_key='id'", MERGED, given);
    const contract =
      "models: [{name: m, config: {contract: {enforced: true}, on_schema_change: fail}, columns: [{name: id, data_type: int}, {name: name, data_type: int}]}]\n";
    const yaml = all["models/m.yml"].replace(/name: (x|b|a|c)\b/g, "name: 1");
    expect(await outcome({ ...all, "models/m.yml": contract + yaml })).toContain(
      'the columns of "m" break its contract',
    );
  });
});

describe("a unit test of a snapshot", () => {
  const snapshot = (config: string, rest: string) =>
    `${SOURCE}snapshots: [{name: s, relation: "source('raw', 't')", config: {unique_key: id, ${config}}}]\nunit_tests:\n  - name: t\n    snapshot: s\n${rest}`;
  const OVERRIDES = "    overrides: {macros: {run_started_at: 2026-03-04}}\n";

  test("takes it over the former versions, twice", async () => {
    const yaml = snapshot(
      "strategy: check, check_cols: [name], hard_deletes: invalidate",
      `${OVERRIDES}    given:
      - ${input("[{id: 1, name: x}, {id: 2, name: b}]")}
      - input: this
        format: csv
        rows: |
          id,name,dbt_valid_from,dbt_valid_to
          1,a,2026-03-01,
          2,b,2026-03-01,
          3,c,2026-03-01,
    expect:
      format: csv
      rows: |
        id,name,dbt_valid_from,dbt_valid_to
        1,a,2026-03-01,2026-03-04
        1,x,2026-03-04,
        2,b,2026-03-01,
        3,c,2026-03-01,2026-03-04
`,
    );
    expect(await outcome({ "models/s.yml": yaml })).toBe("pass");
    expect(
      await outcome({
        "models/s.yml": yaml.replace("2,b,2026-03-01,\n        3", "2,b,2026-03-04,\n        3"),
      }),
    ).toContain("2026-03-04 00:00:00 → 2026-03-01 00:00:00");
  });

  test("takes the first versions where none are given, and names its mistakes", async () => {
    const rest = (rows: string) =>
      `    given: [${input(rows)}]\n    expect: {rows: [{id: 1, dbt_valid_from: 2026-01-01, dbt_valid_to: null}]}\n`;
    const config = "strategy: timestamp, updated_at: seen";
    const yaml = snapshot(config, rest("[{id: 1, seen: 2026-01-01}]"));
    expect(await outcome({ "models/s.yml": yaml })).toBe("pass");
    const twice = snapshot(config, rest("[{id: 1, seen: 2026-01-01}, {id: 1}]"));
    expect(await outcome({ "models/s.yml": twice })).toMatch(
      /unique_key "id" is not unique[\s\S]*in unit test t/,
    );
  });
});
