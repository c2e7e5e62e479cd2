import { describe, expect, test } from "vitest";
import { z } from "zod";
import { type ProjectError, projectErrorsOf } from "../../core/errors.ts";
import { parseYaml, validateYaml } from "../../core/yaml.ts";

const schema = z.strictObject({
  name: z.string().default("x"),
  kind: z.enum(["view", "table"]).optional(),
  isOn: z.boolean().optional(),
  items: z.array(z.strictObject({ name: z.string(), size: z.number().optional() })).default([]),
  values: z.array(z.union([z.string(), z.number(), z.boolean()])).default([]),
});

function mistakesIn(text: string): ProjectError[] {
  try {
    validateYaml(parseYaml("a.yml", text), schema);
    return [];
  } catch (error) {
    return projectErrorsOf(error);
  }
}

describe("names the place, what was found and what to do:", () => {
  test.each([
    ["a tab", "items:\n\t- name: a", "2:1", "Tabs are not allowed", "spaces"],
    ["a key twice", "name: a\nname: b", "2:1", "Map keys must be unique", "keep one"],
    ["a quote that stays open", "name: 'a\n", "1:7", "Missing closing 'quote", "close the quote"],
    ["a colon in a text", "name: b: c", "1:7", "Nested mappings", "in quotes"],
    ["two documents", "name: a\n---\nname: b", "2:1", "Source contains multiple documents", "correct"],
    ["an alias without anchor", "name: a\nkind: *x", "2:7", "no anchor &x", "write the value itself"],
    ["digits that no number holds", "values: [1, 12345678901234567890]", "1:13", "too large", "quotes"],
    ["a list where a map belongs", "- name: a", "1:1", "this file has to be a map", "correct"],
    ["a map where a list belongs", "items:\n  name: a", "2:3", '"items" has to be a list', "correct"],
    ["a text where a map belongs", "items:\n  - a", "2:5", 'item 1 of "items" has to be a map', "correct"],
    ["a number where a text belongs", "name: 1e3", "1:7", '"name" has to be a text', "put it in quotes"],
    ["a word for true", "isOn: yes", "1:7", '"isOn" has to be true or false', "correct"],
    ["a choice that is not offered", "kind: tabel", "1:7", '"kind" cannot be "tabel"', "correct"],
    [
      "a key that is missing",
      "items:\n  - size: 1",
      "2:5",
      '"name" is missing in item 1 of "items"',
      "add it",
    ],
    ["an unknown key", "itms: []", "1:1", 'unknown key "itms"', "correct or remove"],
    [
      "an unknown key below others",
      "items:\r\n  - name: a\r\n    sise: 1",
      "3:5",
      'unknown key "sise"',
      "correct",
    ],
  ])("%s", (_, text, place, message, hint) => {
    const [error, ...others] = mistakesIn(text);
    expect(others).toEqual([]);
    expect(error).toMatchObject({ where: `a.yml:${place}`, exitCode: 2 });
    expect(error?.message).toContain(message);
    expect(error?.hint).toContain(hint);
  });
});

test("gives the nearest key and the known ones", () => {
  expect(mistakesIn("items: [{nmae: a, name: b}]")[0]?.why).toEqual([
    "nearest names: name",
    "known keys: name, size",
  ]);
});

test("reports every mistake of a file", () => {
  const text = "kind: veiw\nother: 1\nitems:\n  - name: 1\n    size: x\n";
  expect(mistakesIn(text).map(({ where }) => where)).toEqual([
    "a.yml:1:7",
    "a.yml:4:11",
    "a.yml:5:11",
    "a.yml:2:1",
  ]);
});

test.each([
  ["an empty file", ""],
  ["comments alone", "# nothing\n"],
])("takes %s as no settings", (_, text) => {
  expect(validateYaml(parseYaml("a.yml", text), schema)).toEqual({ name: "x", items: [], values: [] });
});

test("reads words and dates without quotes as texts", () => {
  const text = "values: [no, on, 2024-01-01, 1_000, 0x1F, 1.5, true, ~x]";
  expect(parseYaml("a.yml", text).value).toEqual({
    values: ["no", "on", "2024-01-01", "1_000", 31, 1.5, true, "~x"],
  });
});

test("merges anchors as dbt does", () => {
  const { value } = parseYaml("a.yml", "base: &base {a: 1, b: 2}\nmore: {<<: *base, b: 3}\n");
  expect(value).toMatchObject({ more: { a: 1, b: 3 } });
});

test("refuses aliases that multiply without end", () => {
  const levels = ["a: &a [x,x,x,x,x,x,x,x,x,x]"];
  for (const name of ["b", "c", "d"]) {
    const former = String.fromCharCode(name.charCodeAt(0) - 1);
    levels.push(`${name}: &${name} [${Array<string>(10).fill(`*${former}`).join(",")}]`);
  }
  expect(mistakesIn(levels.join("\n"))[0]).toMatchObject({ code: "YAML_INVALID", where: "a.yml:1:1" });
});

test("finds its way in a file of 5 MB", () => {
  const items = Array.from(
    { length: 100_000 },
    (_, index) => `  - name: item_${index}\n    size: ${index}\n`,
  );
  const text = `items:\n${items.join("")}  - name: last\n    sise: 1\n# ${"x".repeat(1_500_000)}\n`;
  expect(text.length).toBeGreaterThan(5_000_000);
  expect(mistakesIn(text).map(({ where }) => where)).toEqual(["a.yml:200003:5"]);
});
