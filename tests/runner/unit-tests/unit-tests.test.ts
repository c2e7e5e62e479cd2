import { describe, expect, test } from "vitest";
import { createProject, mistakesIn } from "../project.ts";
import { outcome, testOf, unitTest } from "./run.ts";

const PEOPLE =
  "select 1::bigint as id, 'a'::varchar as name, date '2026-01-01' as born, 1.5::decimal(9, 2) as paid";
const files = (sql: string, yaml: string) => ({
  "models/p.sql": PEOPLE,
  "models/m.sql": sql,
  "models/m.yml": yaml,
});
const given = (rows: string, more = "") => `{input: ref('p'), rows: ${rows}${more}}`;

describe("rows are given", () => {
  test("as maps: values have the columns' types, what is not named is null", async () => {
    const sql =
      "select id, typeof(born) as type, date_trunc('month', born) as month, name, paid from {{ ref('p') }}";
    const rows = given("[{id: 1, born: 2026-02-03, paid: 0.1}, {id: '2'}]");
    const expected =
      "expect: {rows: [{id: 2, type: DATE, month: null}, {id: 1, type: DATE, month: 2026-02-01, name: null, paid: '0.10'}]}";
    expect(await outcome(files(sql, testOf(expected, rows)))).toBe("pass");
  });

  test("as CSV, inline and in a file: empty is null", async () => {
    const yaml = testOf(
      "expect: {format: csv, fixture: out}",
      "{input: ref('p'), format: csv, rows: \"id,name\\n1,x\\n2,\\n\"}",
    );
    const sql = "select * from {{ ref('p') }}";
    const fixtures = { "tests/fixtures/out.csv": "name,id\n,2\nx,1\n" };
    expect(await outcome({ ...files(sql, yaml), ...fixtures })).toBe("pass");
  });

  test("as SQL, inline and in a file; it is no data test", async () => {
    const yaml = testOf(
      "expect: {format: sql, fixture: out}",
      "{input: ref('p'), format: sql, rows: select 1 as id union all select 2}",
    );
    const fixtures = {
      "tests/fixtures/out.sql": "select 2 as id, null as name union all select 1, null;\n",
      "project.yml": "name: shop\ntest-paths: [tests]\n",
    };
    const all = { ...files("select id, name from {{ ref('p') }}", yaml), ...fixtures };
    expect(await outcome(all)).toBe("pass");
    expect([...createProject(all).scope().graph.nodes.keys()].filter((id) => id.startsWith("test."))).toEqual(
      [],
    );
  });

  test("for sources, whose types come from data_type, else from the values", async () => {
    const source =
      "sources: [{name: raw, tables: [{name: t, columns: [{name: seen, data_type: timestamp}]}]}]\n";
    const sql =
      "select id + 1 as next, typeof(id) as of_id, typeof(seen) as of_at, ok, list[1] as one from {{ source('raw', 't') }}";
    const yaml = testOf(
      "expect: {rows: [{next: 2, of_id: BIGINT, of_at: TIMESTAMP, ok: true, one: 7}]}",
      "{input: \"source('raw', 't')\", rows: [{id: 1, seen: 2026-01-01, ok: true, list: [7, 8]}]}",
    );
    expect(await outcome(files(sql, source + yaml))).toBe("pass");
  });

  test("of JSON as maps", async () => {
    const source =
      "sources: [{name: raw, tables: [{name: t, columns: [{name: record, data_type: varchar}]}]}]\n";
    const sql = "select {{ json_text('record', 'name') }} as name from {{ source('raw', 't') }}";
    const yaml = testOf(
      "expect: {rows: [{name: x}]}",
      "{input: \"source('raw', 't')\", rows: [{record: {name: x}}]}",
    );
    expect(await outcome(files(sql, source + yaml))).toBe("pass");
  });

  test("for ephemeral models, and seeds have those of their files", async () => {
    const all = {
      "models/e.sql": "{{ config(materialized='ephemeral') }} select 1 as id",
      "seeds/codes.csv": "code,label\n1,one\n2,two\n",
      "models/m.sql": "select * from {{ ref('e') }} left join {{ ref('codes') }} on code = id",
      "models/m.yml": testOf("expect: {rows: [{id: 2, label: two}]}", "{input: ref('e'), rows: [{id: 2}]}"),
    };
    expect(await outcome(all)).toBe("pass");
    const own = "{input: ref('e'), rows: [{id: 2}]}, {input: ref('codes'), rows: [{code: 2, label: zwei}]}";
    const yaml = testOf("expect: {rows: [{id: 2, label: zwei}]}", own);
    expect(await outcome({ ...all, "models/m.yml": yaml })).toBe("pass");
  });

  test("for models over columns that nobody declared: types that the SQL fixes are known", async () => {
    const all = {
      "models/s.sql":
        "with r as (select * from {{ source('raw', 't') }}) select cast(id as bigint) as id, trim(name) as name, cast(seen as date) as day, other from r",
      "models/m.sql":
        "select id, date_trunc('month', day) as month, typeof(other) as other from {{ ref('s') }}",
      "models/m.yml": `sources: [{name: raw, tables: [{name: t}]}]\n${testOf("expect: {rows: [{id: 1, month: 2026-01-01, other: DOUBLE}]}", "{input: ref('s'), rows: [{id: 1, day: 2026-01-31, other: 0.5}]}")}`,
    };
    expect(await outcome(all)).toBe("pass");
  });

  test("for sources of which nothing is declared: what the model reads and no row names is null", async () => {
    const source = "sources: [{name: raw, tables: [{name: t}]}]\n";
    const sql = "select id, upper(trim(name)) as name from {{ source('raw', 't') }}";
    const yaml = (rows: string, expected: string) =>
      source + testOf(`expect: {rows: ${expected}}`, `{input: "source('raw', 't')", rows: ${rows}}`);
    expect(await outcome(files(sql, yaml("[{id: 1}]", "[{id: 1, name: null}]")))).toBe("pass");
    expect(await outcome(files(sql, yaml("[]", "[]")))).toBe("pass");
  });

  test("and a column that is null everywhere can be compared", async () => {
    const yaml = testOf("expect: {rows: [{id: 1, nothing: null}]}", given("[{id: 1}]"));
    expect(await outcome(files("select id, null as nothing from {{ ref('p') }}", yaml))).toBe("pass");
  });

  test("none, and none are expected", async () => {
    const sql = "select id, count(*) as n from {{ ref('p') }} group by id";
    expect(await outcome(files(sql, testOf("expect: {rows: []}", given("[]"))))).toBe("pass");
  });
});

describe("a difference", () => {
  test("names changed cells, missing and unexpected rows", async () => {
    const rows = given("[{id: 1, name: a}, {id: 2, name: b}, {id: 3, name: c}, {id: 3, name: c}]");
    const expected =
      "expect: {rows: [{id: 3, name: c}, {id: 2, name: x}, {id: 1, name: a}, {id: 9, name: z}]}";
    expect(await outcome(files("select id, name from {{ ref('p') }}", testOf(expected, rows)))).toBe(
      [
        "               id   name",
        "  changed      2    x → b",
        "  missing      9    z",
        "  unexpected   3    c",
        "  2 rows are as expected",
      ].join("\n"),
    );
  });

  test("is one of values, not of texts: decimals, doubles, times, nulls and empty texts", async () => {
    const sql =
      "select paid, 0.1::double + 0.2::double as sum, born::timestamp as at, nullif(name, '') as name, [1, 2] as list from {{ ref('p') }}";
    const yaml = (name: string) =>
      testOf(
        `expect: {rows: [{paid: '1.500', sum: 0.3, at: 2026-01-01T00:00:00Z, name: ${name}, list: [1, 2]}]}`,
        given("[{paid: 1.5, born: 2026-01-01, name: ''}]"),
      );
    expect(await outcome(files(sql, yaml("null")))).toBe("pass");
    expect(await outcome(files(sql, yaml("''")))).toContain("'' → null");
  });

  test("counts rows that are there twice", async () => {
    const yaml = testOf("expect: {rows: [{id: 1}]}", given("[{id: 1}, {id: 1}]"));
    expect(await outcome(files("select id from {{ ref('p') }}", yaml))).toBe(
      ["               id", "  unexpected   1", "  1 row is as expected"].join("\n"),
    );
  });
});

describe("overrides", () => {
  test("of variables, of the environment, of macros and of helpers hold for the test alone", async () => {
    const all = {
      "project.yml": "name: shop\nvars: {v: project}\n",
      "macros/mine.hbs": "'macro'",
      "models/m.sql":
        "select '{{ var('v') }}' as v, '{{ env_var('E', 'no') }}' as e, {{ mine() }} as mine, {{ current_timestamp() }} as now",
      "models/m.yml": `unit_tests:
  - {name: one, model: m, overrides: {vars: {v: test}, env_vars: {E: 1}, macros: {mine: "'mine'", dbt.current_timestamp: "date '2026-01-01'"}}, expect: {rows: [{v: test, e: '1', mine: mine, now: 2026-01-01}]}}
  - {name: two, model: m, expect: {rows: [{v: project, e: 'no', mine: macro}]}}`,
    };
    expect((await unitTest(all)).map(({ status }) => status)).toEqual(["pass", "pass"]);
  });

  test("of is_incremental take its branch over the given rows of the table", async () => {
    const sql =
      "{{ config(materialized='incremental') }} select id from {{ ref('p') }}{{#if (is_incremental)}} where id > (select max(id) from {{ this }}){{/if}}";
    const inputs = `${given("[{id: 1}, {id: 2}]")}, {input: this, rows: [{id: 1}]}`;
    const yaml = (override: boolean, rows: string) =>
      testOf(`overrides: {macros: {is_incremental: ${override}}}\nexpect: {rows: ${rows}}`, inputs);
    expect(await outcome(files(sql, yaml(true, "[{id: 2}]")))).toBe("pass");
    expect(await outcome(files(sql, yaml(false, "[{id: 1}, {id: 2}]")))).toBe("pass");
  });
});

test("tests of sources and models with one name do not get in each other's way", async () => {
  const yaml = `sources: [{name: a, tables: [{name: m}]}, {name: b, tables: [{name: m}]}]\n${testOf(
    "expect: {rows: [{x: 1, y: 2}]}",
    "{input: \"source('a', 'm')\", rows: [{x: 1}]}, {input: \"source('b', 'm')\", rows: [{y: 2}]}",
  )}`;
  const sql = "select a.x, b.y from {{ source('a', 'm') }} as a, {{ source('b', 'm') }} as b";
  expect(await outcome({ "models/m.sql": sql, "models/m.yml": yaml })).toBe("pass");
});

describe("a mistake at run time has its place, and the other tests go on", () => {
  const at = (rows: string, expected = "[]") =>
    outcome(files("select id, born from {{ ref('p') }}", testOf(`expect: {rows: ${expected}}`, given(rows))));

  test("a column that there is not", async () => {
    expect(await at("[{id: 1, nmae: a}]")).toBe(
      "models/m.yml:4:52\nref('p') has no column \"nmae\"\nnearest names: name\nits columns: id, name, born, paid\ncorrect the name, or remove it",
    );
    expect(await at("[]", "[{idd: 1}]")).toContain(
      'what is expected of m has no column "idd"\nnearest names: id',
    );
  });

  test("a value of another type", async () => {
    expect(await at("[{id: 1}, {id: x}]")).toBe(
      'models/m.yml:4:52\n"x" is not of type BIGINT\nrow 2, column "id"\ncorrect the value, or the data_type of the column',
    );
    expect(await at("[{id: 1.5}]")).toContain("1.5 is not of type BIGINT");
    expect(await at("[{id: 1}]", "[{id: 1, born: tomorrow}]")).toContain('"tomorrow" is not of type DATE');
  });

  test("the model's SQL", async () => {
    const yaml = testOf("expect: {rows: []}", given("[]"));
    expect(await outcome(files("select nope from {{ ref('p') }}", yaml))).toMatch(
      /^models\/m\.sql:1:8\nBinder Error: Referenced column "nope" not found.*\nin unit test t, models\/m\.yml:2:11\n/,
    );
    const [result] = await unitTest(files("select nope from {{ ref('p') }}", yaml));
    expect(result?.error?.code).toBe("UNIT_TEST_SQL");
  });

  test("the SQL of a fixture", async () => {
    const yaml = testOf("expect: {rows: []}", "{input: ref('p'), format: sql, fixture: in}");
    const fixture = { "tests/fixtures/in.sql": "select 1 as id,\n  nope" };
    expect(await outcome({ ...files("select id from {{ ref('p') }}", yaml), ...fixture })).toMatch(
      /^tests\/fixtures\/in\.sql:2:3\n.*"nope".*\n[\s\S]*stands alone, without ref and source$/,
    );
    const [result] = await unitTest({ ...files("select id from {{ ref('p') }}", yaml), ...fixture });
    expect(result?.error?.code).toBe("UNIT_TEST_FIXTURE");
  });
});

describe("a mistake in the declaration is reported before anything runs", () => {
  const mistakes = (yaml: string, more = {}) =>
    mistakesIn({ ...files("select id from {{ ref('p') }}", yaml), ...more }).map(
      ({ code, where, message, why, hint, exitCode }) =>
        [code, where, message, ...why, hint, exitCode].join(" | "),
    );
  const END = "\nexpect: {rows: []}";

  test.each([
    [
      "UNIT_TEST_SUBJECT",
      testOf("expect: {rows: []}").replace("model: m", "model: mm"),
      'names an unknown model "mm" | nearest names: m',
    ],
    [
      "UNIT_TEST_SUBJECT",
      testOf("expect: {rows: []}").replace("    model: m\n", ""),
      "has to name a model or a snapshot | give it model: the model's name, or snapshot: | 2",
    ],
    [
      "UNIT_TEST_INPUT_MISSING",
      testOf("expect: {rows: []}"),
      `unit test "t" gives no rows for ref('p') | "m" reads it | add to given: - input: ref('p'), with rows: [] if there are none | 2`,
    ],
    [
      "UNIT_TEST_INPUT_TWICE",
      testOf("expect: {rows: []}", `${given("[]")}, ${given("[]")}`),
      "ref('p') is given twice | put all of its rows into one of them | 2",
    ],
    [
      "REF_UNKNOWN",
      testOf("expect: {rows: []}", `${given("[]")}, {input: ref('pp'), rows: []}`),
      'unknown model "pp" in ref() | nearest names: p',
    ],
    [
      "UNIT_TEST_DUPLICATE",
      testOf("expect: {rows: []}", given("[]")) +
        testOf("expect: {rows: []}", given("[]")).replace("unit_tests:\n", ""),
      'unit test "t" is declared twice | the other place: models/m.yml:2:11 | give one of them another name | 2',
    ],
    [
      "UNIT_TEST_OVERRIDE",
      testOf(`overrides: {macros: {is_incremntal: true}}${END}`, given("[]")),
      'unknown macro "is_incremntal" | nearest names: is_incremental',
    ],
    [
      "UNIT_TEST_OVERRIDE",
      testOf(`overrides: {macros: {run_started_at: soon}}${END}`, given("[]")),
      'run_started_at is no time: "soon" | write a date',
    ],
    [
      "UNIT_TEST_OVERRIDE",
      testOf(`materialize: true\noverrides: {macros: {is_incremental: true}}${END}`, given("[]")),
      "decides itself whether the run is incremental",
    ],
    [
      "FIXTURE_UNKNOWN",
      testOf("expect: {format: csv, fixture: inn}", given("[]")),
      'there is no fixture "inn" | nearest names: in | correct the name, or add tests/data/fixtures/inn.csv | 2',
    ],
    [
      "FIXTURE_FORMAT",
      testOf("expect: {fixture: in}", given("[]")),
      "format is dict | add format: csv, or format: sql | 2",
    ],
    [
      "FIXTURE_FORMAT",
      testOf("expect: {format: csv, rows: [{id: 1}]}", given("[]")),
      "the rows are a list, and format is csv",
    ],
    [
      "FIXTURE_FORMAT",
      testOf("expect: {format: csv, fixture: in, rows: 'id'}", given("[]")),
      "the rows stand here and in a fixture",
    ],
    [
      "FIXTURE_CSV",
      testOf("expect: {format: csv, fixture: bad}", given("[]")),
      "tests/fixtures/bad.csv:3:1 | the rows are no CSV",
    ],
    ["YAML_SCHEMA", testOf("expct: 1\nexpect: {rows: []}", given("[]")), 'unknown key "expct"'],
  ])("%s", (code, yaml, text) => {
    const fixtures = { "tests/fixtures/in.csv": "id\n1\n", "tests/fixtures/bad.csv": "id,name\n1,a\n2\n" };
    const [first = ""] = mistakes(yaml, fixtures).filter((line) => line.startsWith(code));
    expect(first).toContain(text);
  });

  test("all of them at once; a switched-off model has no unit tests", () => {
    const two =
      testOf("expect: {format: csv, fixture: a}") +
      testOf("expect: {rows: []}").replace(/.*\n.*name: t/, "  - name: u");
    expect(mistakes(two)).toHaveLength(2);
    const off = { ...files("{{ config(enabled=false) }} select 1", testOf("expect: {rows: []}")) };
    expect(createProject(off).scope().graph.nodes.size).toBe(1);
  });
});
