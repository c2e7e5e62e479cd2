import { mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openParseCache } from "../../runner/project/parse-cache.ts";
import { propertiesSchema } from "../../runner/project/properties.ts";

let folder = "";
let file = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sillon-parse-cache-"));
  file = join(folder, "target", "cache", "parsed");
});
afterEach(() => rmSync(folder, { recursive: true }));

const SQL = "-- One row.\nselect * from {{ ref('a', 'b') }}\nwhere x = {{ var('y', [1]) }} -- é\n";
const YAML = "models:\n  - name: a\n    columns: [{name: b, data_tests: [unique]}]\n";

function render(source: string): { text: string; place: string } {
  const cache = openParseCache(file);
  const template = cache.template("models/m.sql", source);
  cache.save();
  const helpers = {
    ref: ({ args, where }: { args: unknown[]; where: string }) => `<${args.join(".")} ${where}>`,
    var: ({ args, named }: { args: unknown[]; named: unknown }) => JSON.stringify([args, named]),
    config: () => "",
  };
  const { text, placeOf } = template.render({ helpers, values: {} });
  return { text, place: placeOf(text.indexOf("where x")) };
}

function locate(source: string, path: PropertyKey[]): { value: unknown; place: string } {
  const cache = openParseCache(file);
  const yaml = cache.yaml("models/m.yml", source);
  const found = { value: yaml.value, place: yaml.locate(path) };
  cache.save();
  return found;
}

describe("a file that was parsed before", () => {
  test("yields the same template and the same places", () => {
    const first = render(SQL);
    expect(first.text).toContain('<a.b models/m.sql:2:18>\nwhere x = [["y",[1]],{}] -- é');
    expect(first.place).toBe("models/m.sql:3:1");
    expect(readFileSync(file, "utf8")).toContain("models/m.sql");
    expect(render(SQL)).toEqual(first);
  });

  test("yields the same YAML, and places that nobody asked for before", () => {
    const path = ["models", 0, "columns", 0, "data_tests", 0];
    const first = locate(YAML, path);
    expect(first.place).toBe("models/m.yml:3:38");
    expect(locate(YAML, path)).toEqual(first);
    expect(locate(YAML, ["models", 0, "name"]).place).toBe("models/m.yml:2:11");
  });

  test("is written again only when something is different", () => {
    render(SQL);
    utimesSync(file, 1, 1);
    render(SQL);
    expect(statSync(file).mtimeMs).toBe(1000);
    render(SQL.replace("One", "Two"));
    expect(statSync(file).mtimeMs).toBeGreaterThan(1000);
  });

  test("is parsed anew when it has another text of the same size", () => {
    render(SQL);
    expect(render(SQL.replace("'a'", "'c'")).text).toContain("<c.b models/m.sql:2:18>");
    locate(YAML, []);
    expect(locate(YAML.replace("unique", "noneds"), []).value).toMatchObject({
      models: [{ columns: [{ data_tests: ["noneds"] }] }],
    });
  });

  test("is another file under another name", () => {
    const cache = openParseCache(file);
    cache.template("models/m.sql", SQL);
    cache.save();
    const moved = openParseCache(file).template("models/n.sql", SQL);
    expect(moved.uses[0]?.where).toBe("models/n.sql:2:18");
  });

  test.each([
    ["numbers without a word in JSON", "a: .nan\nb: -.inf\n", { a: Number.NaN, b: Number.NEGATIVE_INFINITY }],
    [
      "keys that objects have",
      "constructor: 1\n__proto__: 2\n",
      JSON.parse('{"constructor":1,"__proto__":2}'),
    ],
    ["aliases", "a: &x [1]\nb: *x\n", { a: [1], b: [1] }],
  ])("keeps %s", (_, source, value) => {
    expect(locate(source, []).value).toEqual(value);
    expect(locate(source, []).value).toEqual(value);
  });
});

describe("the properties of a file", () => {
  const propertiesOf = (source: string) => {
    const cache = openParseCache(file);
    const { value } = cache.yaml("models/m.yml", source);
    const known = cache.properties("models/m.yml", source);
    cache.keepProperties("models/m.yml", source, propertiesSchema.parse(value));
    cache.save();
    return known;
  };

  test("are known again for the same text, with their defaults", () => {
    expect(propertiesOf(YAML)).toBeUndefined();
    expect(propertiesOf(YAML)).toEqual(propertiesSchema.parse(openParseCache(file).yaml("m", YAML).value));
    expect(propertiesOf(YAML.replace("unique", "noneds"))).toBeUndefined();
  });

  test("are not kept of numbers that JSON has no word for", () => {
    const source = "models:\n  - name: a\n    meta: {}\n# .nan\n";
    expect([propertiesOf(source), propertiesOf(source)]).toEqual([undefined, undefined]);
  });
});

describe("a cache", () => {
  test.each([
    ["damaged in the middle", (text: string) => text.replace('"ref"', '"var"')],
    ["cut off", (text: string) => text.slice(0, -20)],
    ["of another build", (text: string) => text.replace(/^sillon-parse-1/, "sillon-parse-0")],
    ["that is no cache", () => "{}"],
    ["that is empty", () => ""],
  ])("%s is not used, and written anew", (_, damage) => {
    const first = render(SQL);
    const good = readFileSync(file, "utf8");
    writeFileSync(file, damage(good));
    expect(render(SQL)).toEqual(first);
    expect(readFileSync(file, "utf8")).toBe(good);
  });

  test("that cannot be written is done without", () => {
    writeFileSync(join(folder, "target"), "");
    expect(render(SQL).text).toContain("<a.b");
  });

  test("does not keep templates that hold more than plain calls", () => {
    const source = "select 1 {{#if (is_incremental)}} where x {{/if}}";
    const cache = openParseCache(file);
    cache.template("m.sql", source);
    cache.save();
    const again = openParseCache(file).template("m.sql", source);
    const context = { helpers: { is_incremental: () => true }, values: {} };
    expect(again.render(context).text).toBe("select 1  where x ");
  });
});
