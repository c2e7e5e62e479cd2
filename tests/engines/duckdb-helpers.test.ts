import { expect, test } from "vitest";
import { compileInline } from "../../runner/graph/compile.ts";
import { createProject, openWarehouse } from "../runner/project.ts";

const PEOPLE =
  "select * from (values (1, 'red', date '2026-01-31'), (2, 'blue', null), (2, 'red', null)) as t (id, color, born)";
const FILES = {
  "models/people.sql": PEOPLE,
  "models/others.sql": "select 9 as id, 'green' as color, true as is_new",
};

async function rowsOf(sql: string): Promise<unknown[][]> {
  const project = createProject(FILES);
  const warehouse = await openWarehouse(project);
  await warehouse.build();
  const compiled = compileInline(project.ctx, project.scope(), sql);
  return (await warehouse.session.query(compiled.sql)).rows;
}

const PEOPLE_REF = "{{ ref('people') }}";

test.each([
  [
    "pivot counts",
    `select id, {{ dbt_utils.pivot('color', ['red', 'blue']) }} from ${PEOPLE_REF} group by id order by id`,
    [
      [1, "1", "0"],
      [2, "1", "1"],
    ],
  ],
  [
    "pivot with dbt's options",
    `select {{ pivot('color', ['red'], agg='max', then_value='id', else_value=none, prefix='n_') }} from ${PEOPLE_REF}`,
    [[2]],
  ],
  [
    "union_relations",
    "select * from ({{ dbt_utils.union_relations(relations=[ref('people'), ref('others')], exclude=['born']) }}) order by id, color",
    [
      ['"main"."people"', 1, "red", null],
      ['"main"."people"', 2, "blue", null],
      ['"main"."people"', 2, "red", null],
      ['"main"."others"', 9, "green", true],
    ],
  ],
  [
    "union_relations without the column that says where rows come from",
    "select count(*) from ({{union_relations (list (ref 'people') (ref 'others')) source_column_name=null}})",
    [["4"]],
  ],
  [
    "star without some columns",
    `select {{ dbt_utils.star(from=ref('people'), except=['born']) }} from ${PEOPLE_REF} order by 1 limit 1`,
    [[1, "red"]],
  ],
  [
    "star of an alias with a prefix",
    `select x.p_id from (select {{ star(ref('people'), relation_alias='t', prefix='p_') }} from ${PEOPLE_REF} as t) as x order by 1 limit 1`,
    [[1]],
  ],
  [
    "dbt's key",
    "select {{ dbt_utils.generate_surrogate_key(['1', 'null']) }} = md5('1-_dbt_utils_surrogate_key_null_')",
    [[true]],
  ],
  [
    "dbt's date_spine, whose end is left out",
    `{{ dbt_utils.date_spine(datepart="day", start_date="cast('2026-01-30' as date)", end_date="cast('2026-02-01' as date)") }}`,
    [["2026-01-30 00:00:00"], ["2026-01-31 00:00:00"]],
  ],
  [
    "safe_cast",
    "select {{ dbt.safe_cast(\"'x'\", dbt.type_int()) }}, {{ safe_cast(\"'3'\", 'integer') }}",
    [[null, 3]],
  ],
  [
    "dateadd and datediff",
    "select {{ dateadd('month', 1, \"date '2026-01-31'\") }}, {{ dbt.datediff(\"'2026-01-01'\", \"'2026-03-01'\", 'day') }}",
    [["2026-02-28 00:00:00", "59"]],
  ],
  ["date_trunc", "select {{ date_trunc('year', \"date '2026-05-31'\") }}", [["2026-01-01 00:00:00"]]],
  ["split_part", "select {{ split_part(\"'a|b'\", \"'|'\", 2) }}", [["b"]]],
  [
    "listagg",
    `select {{ listagg('color', "'; '", 'order by color') }}, {{ listagg('color', order_by_clause='order by color', limit_num=2) }} from ${PEOPLE_REF}`,
    [["blue; red; red", "blue,red"]],
  ],
  ["concat and hash", "select {{ concat([\"'a'\", \"'b'\"]) }}, {{ hash('1') }} = md5('1')", [["ab", true]]],
  [
    "types",
    "select typeof(cast('1' as {{ type_string() }})), typeof(cast('1' as {{ dbt.type_bigint() }})), typeof(cast('1' as {{type_float}})), typeof(cast('1' as {{ type_numeric() }})), typeof(cast('1' as {{ type_boolean() }})), typeof(cast('2026-01-01' as {{ type_timestamp() }})), {{ current_timestamp() }} > date '2020-01-01'",
    [["VARCHAR", "BIGINT", "DOUBLE", "DECIMAL(28,6)", "BOOLEAN", "TIMESTAMP", true]],
  ],
])("%s", async (_, sql, rows) => {
  expect(await rowsOf(sql)).toEqual(rows);
});

test("json_number gives every digit, of the member that is asked for", async () => {
  const values = [
    "123456789012345678901.234567891",
    "1.10",
    "1e400",
    "9007199254740993",
    "-0.0",
    "7",
    '"8"',
    "null",
  ];
  const list = values.map((value) => `('{ "b":{"a":1.5,"c":1.10}, "a" : ${value}}')`).join(", ");
  const sql = `select {{ json_number('record', 'a') }} from (values ${list}) as t (record)`;
  const numbers = values.map((value) => (/^["n]/.test(value) ? null : value));
  expect((await rowsOf(sql)).flat()).toEqual(numbers);
});

test("json_number fails rather than rounds where the name is written in another way", async () => {
  const sql = `select {{ json_number('record', 'a') }} from (values ('{"\\u0061":1.5}')) as t (record)`;
  await expect(rowsOf(sql)).rejects.toThrow('json_number: no digits of a in {"\\u0061":1.5}');
});
