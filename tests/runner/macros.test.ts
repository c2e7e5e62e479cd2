import { expect, test } from "vitest";
import { manifestContent } from "../../runner/to-artifacts/manifest.ts";
import { createProject, mistakesIn, openWarehouse } from "./project.ts";

const M = "models/m.sql";
const CENTS = "{{!-- arguments: column, digits=2 --}}\nround({{column}} / 100.0, {{digits}})\n";
const CENTS_TS = `import { defineMacro } from "sillon";
import { z } from "zod";

export const cents = defineMacro({
  arguments: { column: z.string(), digits: z.number().default(2) },
  sql: ({ column, digits }, { engine }) => {
    if (column === "bad") throw new RangeError("no such column");
    return \`round(\${column} / 100.0, \${digits}) /* \${engine} */\`;
  },
});
export function twice(column: string, by = 2) {
  return \`\${column} * \${by}\`;
}
`;

const sqlOf = (files: Record<string, string>, vars = {}) => createProject(files, { vars }).sql("m");

test.each([
  ["dbt's style", "{{ cents('price', 3) }}", 3],
  ["dbt's style with names", "{{ cents(column='price', digits=3) }}", 3],
  ["dbt's style with a default", "{{ cents('price') }}", 2],
  ["Handlebars' style", "{{cents 'price' 3}}", 3],
  ["Handlebars' style with names", '{{cents digits=3 column="price"}}', 3],
  ["Handlebars' partials", '{{> cents column="price"}}', 2],
  ["the package's name", "{{ dbt.cents('price') }}", 2],
])("calls a macro in %s", (_, call, digits) => {
  expect(sqlOf({ "macros/cents.hbs": CENTS, [M]: `select ${call} as x` })).toBe(
    `select round(price / 100.0, ${digits}) as x`,
  );
});

test.each([
  ["{{ cents('price', 3) }}", "select round(price / 100.0, 3) /* duckdb */"],
  ["{{cents column='price'}}", "select round(price / 100.0, 2) /* duckdb */"],
  ["{{ twice('price') }}", "select price * 2"],
  ["{{twice 'price' 3}}", "select price * 3"],
  ["{{ twice(cents('a')) }}", "select round(a / 100.0, 2) /* duckdb */ * 2"],
])("calls a typed helper: %s", (call, sql) => {
  expect(sqlOf({ "macros/money.ts": CENTS_TS, [M]: `select ${call}` })).toBe(sql);
});

test("a line with a partial keeps its end", () => {
  const files = { "macros/cols.hbs": "a,\nb\n", [M]: "select\n  {{> cols}}\nfrom t" };
  expect(sqlOf(files)).toBe("select\n  a,\nb\nfrom t");
});

test("macros call macros, in blocks too, and know what templates know", () => {
  const files = {
    "macros/all.hbs": `{{!-- arguments: columns, prefix='p_' --}}
{{#each columns as |c|}}{{ one(c, prefix) }}{{#unless @last}}, {{/unless}}{{/each}}`,
    "macros/one.hbs": "{{!-- arguments: c, p --}}\n{{p}}{{c}}",
    "macros/about.hbs":
      "{{log 'x'}}{{ this }} {{this.name}} {{ target.name }} {{ var('v', 1) }}{{#if (is_incremental)}}i{{/if}}{{#each [1]}} {{target.schema}}{{/each}} {{ env_var('E', 'e') }}",
    [M]: "select {{ all(['a', 'b']) }} -- {{ about() }}",
  };
  expect(sqlOf(files, { v: 7 })).toBe('select p_a, p_b -- "main"."m" m dev 7 main e');
});

test("config in a macro configures the model, whose own wins", () => {
  const project = createProject({
    "macros/usual.hbs": "{{ config(materialized='table', tags=['x']) }}",
    [M]: "{{ usual() }} select 1 as a",
    "models/n.sql": "{{ usual() }}{{ config(materialized='view') }} select 1 as a",
  });
  expect(project.model("m").config).toMatchObject({ materialized: "table", tags: ["x"] });
  expect(project.model("n").config).toMatchObject({ materialized: "view", tags: ["x"] });
});

test("what macros read is what their callers read", () => {
  const project = createProject({
    "macros/fixed.hbs": "{{ ref('a') }}",
    "macros/given.hbs": "{{!-- arguments: model --}}\n{{ ref(model) }}",
    "macros/deep.hbs": "{{!-- arguments: m --}}\n{{ given(m) }} {{ fixed() }}",
    "models/a.sql": "select 1 as x",
    "models/b.sql": "select 1 as x",
    [M]: "from {{ deep('b') }}",
  });
  expect(project.model("m").dependsOn.sort()).toEqual(["model.shop.a", "model.shop.b"]);
});

test("the manifest lists macros and who calls them", () => {
  const { scope } = createProject({
    "macros/cents.hbs": CENTS,
    "macros/euro.hbs": "{{!-- arguments: c --}}\n{{cents c}}",
    [M]: "select {{ euro('a') }}",
  });
  const { nodes, macros } = manifestContent(scope(), new Map());
  expect(nodes[0]?.depends_on.macros).toEqual(["macro.shop.euro"]);
  expect(macros.map((macro) => [macro.unique_id, macro.depends_on])).toEqual([
    ["macro.shop.cents", { macros: [] }],
    ["macro.shop.euro", { macros: ["macro.shop.cents"] }],
  ]);
});

test("tests of the project call macros, and read what these read", async () => {
  const project = createProject({
    "macros/known.hbs": "{{!-- arguments: column --}}\n{{column}} in (select a from {{ ref('other') }})",
    "tests/generic/known_value.sql": "select * from {{ model }} where not {{ known(column_name) }}",
    "tests/data/all_known.sql": "select * from {{ ref('m') }} where not {{> known column='a'}}",
    "models/other.sql": "select 2 as a",
    "models/m.yml": "models: [{name: m, columns: [{name: a, data_tests: [known_value]}]}]",
    [M]: "select 1 as a",
  });
  const ids = ["model.shop.m", "model.shop.other"];
  for (const name of ["known_value_m_a", "all_known"])
    expect(project.test(name).dependsOn.sort()).toEqual(ids);
  const warehouse = await openWarehouse(project);
  await warehouse.build();
  expect((await warehouse.check()).map(({ failures }) => failures)).toEqual([1, 1]);
  const { nodes } = manifestContent(project.scope(), new Map());
  const tests = nodes.filter(({ resource_type }) => resource_type === "test");
  expect(tests.map((node) => node.depends_on.macros)).toEqual([
    ["macro.shop.test_known_value", "macro.shop.known"],
    ["macro.shop.known"],
  ]);
});

test("an error of the engine in a macro's text points at the macro and names the model", async () => {
  const project = createProject({
    "macros/cents.hbs": "{{!-- arguments: column --}}\nround(\n  nope.{{column}})",
    [M]: "select 1 as a,\n  {{ cents('price') }} as b",
  });
  const [result] = await (await openWarehouse(project)).build();
  expect(result?.error?.where).toMatch(/^macros\/cents\.hbs:3:\d+$/);
  expect(result?.error?.why[0]).toBe("in a macro, called from models/m.sql:2:3");
});

type Case = [name: string, files: Record<string, string>, where: string, message: string, more: string];
test.each<Case>([
  [
    "an unknown macro",
    { [M]: "{{ cent('a') }}" },
    `${M}:1:4`,
    'unknown helper "cent"',
    "nearest names: cents",
  ],
  ["an unknown partial", { [M]: "{{> cent}}" }, `${M}:1:5`, 'unknown name "cent"', "nearest names: cents"],
  [
    "an argument too many",
    { [M]: "{{ cents('a', 1, 2) }}" },
    `${M}:1:4`,
    "3 arguments are given",
    "cents(column, digits=2) in macros/cents.hbs",
  ],
  [
    "a missing argument",
    { [M]: "{{ cents() }}" },
    `${M}:1:4`,
    '"cents" is a call and has no arguments',
    "cents",
  ],
  [
    "an unknown argument",
    { [M]: "{{ cents('a', digit=1) }}" },
    `${M}:1:4`,
    'no argument "digit"',
    "nearest names: digits",
  ],
  [
    "an argument given twice",
    { [M]: "{{ cents('a', column='b') }}" },
    `${M}:1:4`,
    '"column" is given twice',
    "correct the call",
  ],
  [
    "wrong arguments of an engine's helper",
    { [M]: "{{ json_text('a') }}" },
    `${M}:1:4`,
    '"field" is missing',
    "json_text(document, field)",
  ],
  ["an undeclared argument", { "macros/f.hbs": "{{x}}" }, "macros/f.hbs:1:3", 'unknown name "x"', "correct"],
  [
    "an unknown model in a macro",
    { "macros/f.hbs": "a\n{{ ref('n') }}", [M]: "{{ f() }}" },
    "macros/f.hbs:2:4",
    'unknown model "n"',
    "m",
  ],
  [
    "an unknown model as argument",
    { "macros/f.hbs": "{{!-- arguments: x --}}{{ ref(x) }}", [M]: "{{ f('n') }}" },
    `${M}:1:4`,
    'unknown model "n"',
    "m",
  ],
  [
    "a circle",
    { "macros/f.hbs": "{{ g() }}", "macros/g.hbs": "{{ f() }}" },
    "macros/f.hbs:1:4",
    "in a circle",
    "f -> g -> f",
  ],
  [
    "a macro that calls itself",
    { "macros/f.hbs": "a {{> f}}" },
    "macros/f.hbs:1:7",
    "calls itself",
    "f -> f",
  ],
  [
    "a header that cannot be read",
    { "macros/f.hbs": "{{!-- arguments: 1a --}}" },
    "macros/f.hbs:1:1",
    "cannot be read",
    "digits=2",
  ],
  [
    "a name that is taken",
    { "macros/ref.hbs": "x" },
    "macros/ref.hbs:1:1",
    '"ref" is a name',
    "another name",
  ],
  [
    "a name that cannot be called",
    { "macros/a-b.hbs": "x" },
    "macros/a-b.hbs:1:1",
    "cannot be called",
    "letters",
  ],
  [
    "two of a name",
    { "macros/x/cents.hbs": "x" },
    "macros/x/cents.hbs:1:1",
    "a second macro",
    "macros/cents.hbs",
  ],
  [
    "an error while a macro is rendered",
    { "macros/f.hbs": "\n{{ var('q') }}", [M]: "{{ f() }}" },
    "macros/f.hbs:2:4",
    '"q" has no value',
    `called from ${M}:1:4`,
  ],
  [
    "a broken TypeScript file",
    { "macros/f.ts": "export const f = ;\n" },
    "macros/f.ts:1:17",
    "cannot be loaded",
    "TypeScript",
  ],
  [
    "a TypeScript file without macros",
    { "macros/f.ts": "export const a = 1;\n" },
    "macros/f.ts",
    "exports no macro",
    "defineMacro",
  ],
  [
    "a wrong definition",
    { "macros/f.ts": "export const f = { arguments: { a: 1 }, sql: () => '' };" },
    "macros/f.ts",
    "not defined as",
    "arguments.a: expected a zod schema",
  ],
  [
    "a wrong type",
    { "macros/money.ts": CENTS_TS.replace(/cents/g, "money"), [M]: "{{ money(1) }}" },
    `${M}:1:4`,
    'wrong arguments of macro "money"',
    "column: expected string",
  ],
  [
    "an error in a typed helper",
    { "macros/money.ts": CENTS_TS.replace(/cents/g, "money"), [M]: "{{ money('bad') }}" },
    "macros/money.ts:7:",
    "no such column",
    `called from ${M}:1:4`,
  ],
  [
    "a helper without SQL",
    { "macros/f.ts": "export function f() {}", [M]: "{{ f() }}" },
    "macros/f.ts",
    "returned undefined",
    `called from ${M}:1:4`,
  ],
  [
    "a hidden reference",
    {
      "macros/f.ts":
        "import { defineMacro } from 'sillon';\nexport const f = defineMacro({ arguments: {}, sql: (_, { ref }) => ref('o') });",
      "models/o.sql": "select 1",
      [M]: "{{ f() }}",
    },
    `${M}:1:4`,
    "a macro reads ref('o')",
    "-- depends on: {{ ref('o') }}",
  ],
])("reports %s", (_, files, where, message, more) => {
  const [error, ...others] = mistakesIn({ "macros/cents.hbs": CENTS, [M]: "select 1 as a", ...files });
  expect(others).toEqual([]);
  expect(error?.exitCode).toBe(2);
  expect(error?.where?.startsWith(where), error?.where).toBe(true);
  expect(error?.message).toContain(message);
  expect([...(error?.why ?? []), error?.hint].join("\n")).toContain(more);
});

test("reports all mistakes in macros at once", () => {
  const files = { "macros/f.hbs": "{{a}} {{ b('x') }} {{ ref('c') }}", "macros/g.hbs": "{{d}}" };
  expect(mistakesIn({ ...files, [M]: "select 1 as a" })).toHaveLength(4);
});

test("a hidden reference is known when the model names it", () => {
  const files = {
    "macros/f.ts":
      "import { defineMacro } from 'sillon';\nexport const f = defineMacro({ arguments: {}, sql: (_, { ref }) => ref('o') });",
    "models/o.sql": "select 1",
    [M]: "-- depends on: {{ ref('o') }}\nfrom {{ f() }}",
  };
  expect(sqlOf(files)).toContain('from "main"."o"');
});

test("a value with NUL characters reaches the SQL whole, whatever it looks like", () => {
  const quoted = `import { defineMacro } from "sillon";
import { z } from "zod";
export const quoted = defineMacro({
  arguments: { value: z.string() },
  sql: ({ value }, { literal }) => literal(value),
});
`;
  const files = {
    "macros/quoted.ts": quoted,
    [M]: "select {{ quoted(var('v')) }} as v, '{{ var('v') }}' as w",
  };
  expect(sqlOf(files, { v: "a\0c1@\0b" })).toBe(
    "select ('a' || chr(0) || 'c1@' || chr(0) || 'b') as v, 'a\0c1@\0b' as w",
  );
});
