import { describe, expect, test } from "vitest";
import { createProject, mistakesIn, openWarehouse } from "./project.ts";

type Files = Record<string, string>;
const ROWS = "select * from (values (1, 'a'), (2, 'b'), (3, null)) as t(a, b)";
const Y = "models/m.yml";
const T = "tests/generic/above.sql";

const usedOn = (declared: string, sql: string): Files => ({
  "models/m.sql": `{{ config(materialized='table') }}${ROWS}`,
  "models/other.sql": "select 2 as a",
  [Y]: `models: [{name: m, columns: [{name: a, data_tests: [${declared}]}]}]`,
  [T]: sql,
});

async function check(files: Files) {
  const warehouse = await openWarehouse(createProject(files));
  await warehouse.build();
  return warehouse.check();
}

const ABOVE =
  "{{ arguments('bound', unless=[]) }}\n{{ config(severity='warn') }}\nselect * from {{ model }} where {{ column_name }} <= {{ bound }}{{#each unless as |v|}} and a <> {{v}}{{/each}}";

describe("a project's own generic test", () => {
  test.each<[string, string, string, number]>([
    ["{above: {bound: 2}}", ABOVE, "warn", 2],
    ["{above: {bound: 2, unless: [1]}}", ABOVE, "warn", 1],
    ["{above: {bound: 2, severity: error}}", ABOVE, "fail", 2],
    ["{above: {arguments: {bound: 0}}}", ABOVE, "pass", 0],
    ["{shop.above: {bound: 2, where: a > 1}}", ABOVE, "warn", 1],
    ["above", "select * from {{model}} where {{column_name}} > {{ var('most', 2) }};", "fail", 1],
    [
      "{above: {to: ref('other')}}",
      "{{ arguments('to') }}select a from {{ model }} where a in (select a from {{ to }})",
      "fail",
      1,
    ],
    [
      "{above: {}}",
      "{{ arguments(least=none) }}select * from {{ model }} where {{ column_name }} > {{#if least}}{{ least }}{{else}}1{{/if}}",
      "fail",
      2,
    ],
  ])("used as %s", async (declared, sql, status, failures) => {
    const files = usedOn(declared, sql);
    if (!sql.includes("column_name")) files[Y] = `models: [{name: m, data_tests: [${declared}]}]`;
    const [result] = await check(files);
    expect(result).toMatchObject({ error: null, status, failures });
  });

  test("comes before one of ours, and ours keeps its package's name", async () => {
    const files = usedOn("not_null, dbt.not_null", "");
    const own = "select * from {{ model }} where {{ column_name }} = 1";
    const results = await check({ ...files, [T]: own, "tests/generic/not_null.sql": own });
    expect(results.map(({ failures }) => failures)).toEqual([1, 0]);
  });

  test("may stand in dbt's frame, one that names it and its arguments", async () => {
    const frame =
      "{% test bounded(model, column_name, most,\n  least=1, what='a, b', among=[1, 2]) %}\n{#- rows outside -#}\nselect * from {{ model }} where {{ column_name }} not between {{ least }} and {{ most }}\n{% endtest %}\n";
    const [result] = await check(usedOn("{bounded: {most: 2}}", frame));
    expect(result).toMatchObject({ status: "fail", failures: 1, node: { name: "bounded_m_a__2" } });
  });

  test("in dbt's folder is no test in SQL", () => {
    const project = createProject({
      "project.yml": "name: shop\ntest-paths: [tests]\n",
      "tests/generic/own.sql": "select * from {{ model }}",
      "tests/holds.sql": "select 1 as a where false",
    });
    expect([...project.scope().graph.nodes.keys()]).toEqual(["test.shop.holds"]);
  });

  test("that is wrong points at its own line and at its use", async () => {
    const [result] = await check(
      usedOn("above", "select *\nfrom {{ model }}\nwhere {{ column_name }} > nope"),
    );
    expect(result).toMatchObject({
      status: "error",
      error: { code: "TEST_SQL", where: `${T}:3:27`, why: ['Candidate bindings: "a"', `used at ${Y}:1:53`] },
    });
  });
});

describe("mistakes around own generic tests:", () => {
  test.each<[string, string, string, string, string]>([
    ["{above: {}}", ABOVE, Y, 'needs the argument "bound"', "its arguments are: bound, unless"],
    ["{above: {bound: 1, bond: 2}}", ABOVE, Y, 'unknown argument "bond"', "bound"],
    ["abov", ABOVE, Y, 'unknown test "abov"', "above"],
    ["dbt_utils.above", ABOVE, Y, 'unknown test "dbt_utils.above"', "known tests"],
    ["above", "select * from {{ model }}", Y, "belongs to a whole model", "move it"],
    ["above", "select * from {{ modell }}", T, 'unknown name "modell"', "model"],
    ["above", "  {{ arguments('a') }}\n-- nothing\n", T, "the test has no SQL", "write a select"],
    ["above", "{{ arguments('where') }}select {{ column_name }}", T, '"where" cannot be the name', "write"],
    ["above", "{{ arguments('x', x=1) }}select {{ column_name }}", T, '"x" cannot be the name', "write"],
    ["above", "{{ arguments(x=var('y')) }}select {{ column_name }}", T, "must be a literal value", "write"],
    [
      "above",
      "{% test above(model) %}{% if x %}select 1{% endif %}{% endtest %}",
      T,
      "Jinja blocks",
      "{{#if}}",
    ],
    ["above", "{{ config(severty='warn') }}select {{ column_name }}", T, 'config "severty"', "severity"],
  ])("%s with %s", (declared, sql, file, message, help) => {
    const [mistake] = mistakesIn(usedOn(declared, sql));
    expect(mistake?.where?.startsWith(`${file}:`)).toBe(true);
    expect(mistake?.message).toContain(message);
    expect([...(mistake?.why ?? []), mistake?.hint].join("\n")).toContain(help);
  });

  test("two of one name", () => {
    const [mistake] = mistakesIn({ ...usedOn("unique", ABOVE), "tests/generic/x/above.sql": ABOVE });
    expect(mistake).toMatchObject({
      code: "TEST_DUPLICATE",
      where: "tests/generic/x/above.sql:1:1",
      why: [`the other file: ${T}`],
      hint: "rename one of them",
    });
  });
});
