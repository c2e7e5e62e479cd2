import { describe, expect, test } from "vitest";
import { parseTemplate } from "../../runner/templates/template.ts";
import { mistakesOf } from "./project.ts";

/** Every call shows the arguments that it was given. */
function render(source: string): string {
  const shown = (name: string) => (call: { args: unknown[]; named: Record<string, unknown> }) =>
    `<${name}${[...call.args, ...Object.entries(call.named).flat()].map((part) => ` ${JSON.stringify(part)}`).join("")}>`;
  const names = ["ref", "source", "var", "f", "g"];
  return parseTemplate("m.sql", source).render({
    helpers: {
      ...Object.fromEntries(names.map((name) => [name, shown(name)])),
      config: () => "",
      is_incremental: () => false,
    },
    values: { target: { schema: "main" }, schema: "marts", toString: () => '"marts"."m"' },
  }).text;
}

test.each([
  ["dbt's call", "{{ ref('a') }}", '<ref "a">'],
  ["Handlebars' call", "{{ref 'a'}}", '<ref "a">'],
  ["double quotes", '{{ ref("a") }}', '<ref "a">'],
  ["two arguments", "{{ source('s', 't') }}", '<source "s" "t">'],
  ["no spaces", "{{ref('a')}}", '<ref "a">'],
  ["a space before the parenthesis", "{{ ref ('a') }}", '<ref "a">'],
  ["a call without arguments", "{{ f() }}", "<f>"],
  ["a call in a call", "{{ f(g('a'), 'b') }}", '<f "<g \\"a\\">" "b">'],
  ["a call in a call in Handlebars", "{{f (g 'a') 'b'}}", '<f "<g \\"a\\">" "b">'],
  ["named arguments", "{{ f('a', n=1) }}", '<f "a" "n" 1>'],
  ["a list", "{{ f(['a', 'b']) }}", '<f ["a","b"]>'],
  ["a named list", "{{ f(tags=['a', 'b'],) }}", '<f "tags" ["a","b"]>'],
  ["a map", "{{ f({'k': 'v', 'n': 1}) }}", '<f {"k":"v","n":1}>'],
  ["a map in a map", "{{ f(meta={'a': {'b': 1}}) }}", '<f "meta" {"a":{"b":1}}>'],
  ["an empty map in a map", "{{ f({'a': {}}) }}", '<f {"a":{}}>'],
  ["a map in a list", "{{ f([{'a': 1}, {'a': 2}]) }}", '<f [{"a":1},{"a":2}]>'],
  ["Python's constants", "{{ f(True, False, None, none) }}", "<f true false null null>"],
  ["numbers", "{{ f(1, -2, 2.5) }}", "<f 1 -2 2.5>"],
  ["commas and parentheses in a text", "{{ f('b, c', \"d)(e\") }}", '<f "b, c" "d)(e">'],
  ["brackets and colons in a text", "{{ f('[a]: {b}') }}", '<f "[a]: {b}">'],
  ["braces of a tag in a text", "{{ f('a}}b{{c') }}", '<f "a}}b{{c">'],
  ["a quote in a text", "{{ f('it\\'s', \"it's\") }}", '<f "it\'s" "it\'s">'],
  ["a call over several lines", "{{ f(\n  'a',\n  'b'\n) }}", '<f "a" "b">'],
  ["white space taken away", "a  {{- ref('b') -}}  c", 'a<ref "b">c'],
  ["white space taken away in Handlebars", "a  {{~ref 'b'~}}  c", 'a<ref "b">c'],
  ["three braces", "{{{ f('a') }}}", '<f "a">'],
  ["a Jinja comment", "a{# {{ ref('x') }} it's #}b", `a${" ".repeat(25)}b`],
  ["Handlebars' comments", "a{{! it's }}b{{!-- {{ ref('x') }} --}}c", "abc"],
  ["the model's own name", "{{ this }} {{this.schema}}", '"marts"."m" marts'],
  ["the target", "{{ target.schema }}", "main"],
  ["an if with an else", "{{#if (is_incremental)}}a{{else}}b{{/if}}", "b"],
  ["an if in dbt's call style", "{{#if is_incremental()}}a{{else}}b{{/if}}", "b"],
  ["an if with brackets around a call", "{{#if (is_incremental())}}a{{else}}b{{/if}}", "b"],
  ["an if of the name alone", "{{#if is_incremental}}a{{else}}b{{/if}}", "b"],
  ["an unless of the name alone", "{{#unless is_incremental }}a{{/unless}}", "a"],
  ["an unless", "{{#unless (is_incremental)}}a{{/unless}}", "a"],
  ["a loop over a list", "{{#each (list 'a' 'b')}}{{this}}{{#unless @last}}, {{/unless}}{{/each}}", "a, b"],
  ["a loop over a list in brackets", "{{#each ['a', 'b']}}{{this}};{{/each}}", "a;b;"],
  ["a loop with a name", "{{#each (list 'a' 'b') as |name|}}{{f name}}{{/each}}", '<f "a"><f "b">'],
  ["text without tags", `select '{"a": {"b": 1}}' as j`, `select '{"a": {"b": 1}}' as j`],
  ["Windows line ends", "select\r\n  {{ ref('a') }}\r\nfrom x", 'select\r\n  <ref "a">\r\nfrom x'],
])("renders %s", (_, source, text) => {
  expect(render(source)).toBe(text);
});

test("gives the arguments of calls as values, for the graph", () => {
  const { uses } = parseTemplate("m.sql", "{{ config(materialized='table', tags=['a'], meta={'b': [1]}) }}");
  const config = uses.find(({ name }) => name === "config");
  expect(config?.named).toEqual({ materialized: "table", tags: ["a"], meta: { b: [1] } });
});

test("marks an argument that is not a literal as unknown", () => {
  const { uses } = parseTemplate("m.sql", "{{ ref(var('x')) }}");
  expect(uses.map(({ name, args }) => [name, args])).toEqual([
    ["ref", [undefined]],
    ["var", ["x"]],
  ]);
});

describe("says what is wrong in", () => {
  test.each([
    ["a Jinja block", "a\n {% if x %}b", "2:2", "Jinja blocks are not supported"],
    ["an unclosed tag", "a\n{{ ref('b')", "2:1", '"{{" is never closed'],
    ["an unclosed comment", "{# a", "1:1", '"{#" is never closed'],
    ["a tag that another tag interrupts", "{{ ref('a') \n{{ ref('b') }}", "1:1", '"{{" is never closed'],
    ["an unclosed quote", "select\n  {{ ref('a) }}", "2:10", "the quote ' is never closed"],
    ["an unclosed parenthesis", "{{ ref('a' }}", "1:7", '"(" is never closed'],
    ["a bracket of another kind", "{{ f(['a')) }}", "1:10", '")" closes nothing'],
    ["an unclosed block", "a\n{{#if x}}b", "2:1", "{{#if}} is never closed"],
    ["an end without a block", "a {{/if}}", "1:3", "{{/if}} closes nothing"],
    [
      "blocks that cross",
      "{{#if x}}{{#each y}}\n{{/if}}",
      "2:1",
      "{{/if}} stands where {{#each}} has to be closed",
    ],
    ["an else without a block", "é {{else}}", "1:3", "{{else}} stands outside of a block"],
    ["a filter", "select\n  {{ ref('a') | upper }}", "2:3", 'this tag cannot be read: unexpected "|"'],
    ["an operator", "a\r\nb {{ f(1) + 1 }}", "2:3", "this tag cannot be read: unexpected character"],
    ["an empty tag", "a {{ }}", "1:3", 'this tag cannot be read: unexpected "}}"'],
  ])("%s", (_, source, place, message) => {
    const [first] = mistakesOf(() => parseTemplate("models/m.sql", source));
    expect(first).toMatchObject({ where: `models/m.sql:${place}`, message, exitCode: 2 });
    expect(first?.hint).toBeTruthy();
  });

  test("all tags at once", () => {
    const source = "{% set a = 1 %}\n{{ f('a' }}\n{{#if x}}\n{{ f('b) }}\n";
    const places = mistakesOf(() => parseTemplate("m.sql", source)).map(({ where }) => where);
    expect(places).toEqual(["m.sql:1:1", "m.sql:2:5", "m.sql:4:6", "m.sql:3:1"]);
  });

  test("all tags that Handlebars cannot read", () => {
    const source = "{{ f('a') | x }}\n{{#if (f 1)}}{{ 1 + 2 }}{{/if}}\n{{ f('ok') }}\n{{ a b) }}";
    const places = mistakesOf(() => parseTemplate("m.sql", source)).map(({ where }) => where);
    expect(places).toEqual(["m.sql:1:1", "m.sql:2:14", "m.sql:4:1"]);
  });

  test("a name that has no value, at its place", () => {
    const template = parseTemplate("m.sql", "select\n  é, {{ target.shema }}");
    const [error] = mistakesOf(() => template.render({ helpers: {}, values: { target: {} } }));
    expect(error).toMatchObject({
      code: "TEMPLATE_RENDER",
      where: "m.sql:2:9",
      message: '"shema" has no value here',
    });
  });
});

describe("carries a place of the rendered text back to the author's", () => {
  const placeOf = (source: string, needle: string) => {
    const rendered = parseTemplate("m.sql", source).render({
      helpers: {
        ref: ({ args }) => `"a_long_schema"."${String(args[0])}"`,
        yes: () => true,
        config: () => "",
      },
      values: {},
    });
    expect(rendered.text).toContain(needle);
    return rendered.placeOf(rendered.text.indexOf(needle));
  };

  test.each([
    ["plain text", "select nope", "nope", "1:8"],
    ["after a call", "from {{ ref('a') }} join NOPE", "NOPE", "1:26"],
    ["in the text of a call", "select 1\nfrom {{ ref('a') }}", '"a_long', "2:6"],
    ["after a call over several lines", "from {{ ref(\n 'a'\n) }} where\n  NOPE", "NOPE", "4:3"],
    ["after a config", "{{ config(materialized='table') }}\n\nselect NOPE", "NOPE", "3:8"],
    ["in a block", "a\n{{#if (yes)}}\n  NOPE\n{{/if}}\n", "NOPE", "3:3"],
    ["after a block", "a\n{{#if (yes)}}\n  b\n{{/if}}\n  NOPE", "NOPE", "5:3"],
    ["after a block that is left out", "{{#unless (yes)}}\n  b\n{{/unless}}\n  NOPE", "NOPE", "4:3"],
    ["in an else", "{{#unless (yes)}}\n b\n{{else}}\n  c NOPE\n{{/unless}}", "NOPE", "4:5"],
    ["after white space was taken away", "a   {{~ref 'x'~}}   NOPE", "NOPE", "1:21"],
    ["behind other letters", "-- é 😀 日本\nselect 'ß' as a, NOPE", "NOPE", "2:18"],
    ["after Windows line ends", "{{ config() }}\r\nselect\r\n  {{ ref('é') }},\r\n  NOPE", "NOPE", "4:3"],
    ["after comments", "{# one\n two #}\n{{! three }}\n NOPE", "NOPE", "4:2"],
  ])("%s", (_, source, needle, place) => {
    expect(placeOf(source, needle)).toBe(`m.sql:${place}`);
  });

  test("in every round of a loop", () => {
    const template = parseTemplate(
      "m.sql",
      "select\n{{#each (list 'a' 'b')}}\n  {{this}} as x,\n{{/each}}\n 1",
    );
    const rendered = template.render({ helpers: {}, values: {} });
    expect(rendered.placeOf(rendered.text.lastIndexOf("as x"))).toBe("m.sql:3:12");
  });
});
