import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { createContext, type Environment } from "../../core/context.ts";
import { projectErrorsOf } from "../../core/errors.ts";
import type { LogSink } from "../../core/log.ts";
import { loadTarget, type Target } from "../../engines/profiles.ts";

interface LoadOptions {
  target?: string;
  profilesDir?: string;
  env?: Environment;
  sink?: LogSink;
}

function load(text: string | undefined, options: LoadOptions = {}): Target {
  const projectDir = mkdtempSync(join(tmpdir(), "sillon-profiles-"));
  onTestFinished(() => rmSync(projectDir, { recursive: true, force: true }));
  if (text !== undefined) writeFileSync(join(projectDir, "profiles.yml"), text);
  return loadTarget(
    createContext({ projectDir, env: options.env ?? {}, sink: options.sink ?? (() => {}) }),
    "shop",
    { target: options.target, profilesDir: options.profilesDir },
  );
}

const outputs = (dev: string, more = "") => `shop:\n  target: dev\n  outputs:\n    dev: ${dev}\n${more}`;

test("fills in what a target does not say", () => {
  expect(load(outputs("{type: duckdb}"))).toMatchObject({
    profileName: "shop",
    name: "dev",
    duckdb: { type: "duckdb", path: "data/warehouse.duckdb", schema: "main", threads: 4, settings: {} },
  });
});

test("reads settings of every kind of value as DuckDB's texts", () => {
  const text = outputs("{type: duckdb, threads: 2, memory_limit: 1GB, settings: {a: 1, b: true, c: x}}");
  expect(load(text).duckdb).toMatchObject({
    threads: 2,
    memory_limit: "1GB",
    settings: { a: "1", b: "true", c: "x" },
  });
});

test.each<[string, Environment, string]>([
  ["{{ env_var('FILE') }}", { FILE: "a.duckdb" }, "a.duckdb"],
  ["{{env_var( 'FILE' , 'b.duckdb' )}}", {}, "b.duckdb"],
  ["x/{{ env_var('A') }}-{{ env_var('B', '') }}.duckdb", { A: "1" }, "x/1-.duckdb"],
  ["{{ env_var('FILE', 'b.duckdb') }}", { FILE: "" }, "b.duckdb"],
  ["{{ env_var('FILE') }}", { FILE: "{{ env_var('A') }}" }, "{{ env_var('A') }}"],
])("%s with %j is %s", (value, env, path) => {
  expect(load(outputs(`{type: duckdb, path: "${value}"}`), { env }).duckdb.path).toBe(path);
});

test("takes numbers from the environment", () => {
  const text = outputs("{type: duckdb, threads: \"{{ env_var('T', '3') }}\"}");
  expect(load(text).duckdb.threads).toBe(3);
});

test("--target chooses, and other targets may need what is not here", () => {
  const text = outputs(
    "{type: trino, host: \"{{ env_var('NOT_HERE') }}\"}",
    "    local: {type: duckdb, path: l.duckdb}\n",
  );
  expect(load(text, { target: "local" })).toMatchObject({ name: "local", duckdb: { path: "l.duckdb" } });
});

test("the target may come from the environment, and is called default when nothing is said", () => {
  expect(
    load("shop:\n  target: \"{{ env_var('T') }}\"\n  outputs:\n    b: {type: duckdb}\n", { env: { T: "b" } })
      .name,
  ).toBe("b");
  expect(load("shop:\n  outputs:\n    default: {type: duckdb}\n").name).toBe("default");
});

describe("says where the mistake is in", () => {
  const dev = (value: string) => outputs(`{type: duckdb, ${value}}`);
  test.each<[string, string, string | undefined, string, string, string]>([
    [
      "an unknown profile",
      "shpo: {target: dev, outputs: {}}",
      undefined,
      "1:1",
      'no profile "shop" here',
      "shpo",
    ],
    ["a profile of JavaScript's", "", undefined, "1:1", 'no profile "shop" here', "profiles: none"],
    [
      "an unknown target",
      "shop:\n  target: dve\n  outputs:\n    dev: {type: duckdb}",
      undefined,
      "2:11",
      'no target "dve"',
      "dev",
    ],
    ["an unknown --target", dev("path: x"), "prod", "3:3", 'no target "prod"', "targets: dev"],
    [
      "a --target of JavaScript's",
      dev("path: x"),
      "constructor",
      "3:3",
      'no target "constructor"',
      "targets: dev",
    ],
    [
      "a misspelt target",
      "shop:\n  targt: dev\n  outputs: {}",
      undefined,
      "2:3",
      'unknown key "targt"',
      "target",
    ],
    ["no outputs", "shop: {target: dev}", undefined, "1:7", '"outputs" is missing', "add it"],
    ["an unknown key", dev("pth: x"), undefined, "4:25", 'unknown key "pth"', "path"],
    [
      "an unknown engine",
      outputs("{type: duckbd}"),
      undefined,
      "4:17",
      '"type" cannot be "duckbd"',
      "duckdb",
    ],
    ["no engine", outputs("{}"), undefined, "4:10", '"type" is missing', "add it"],
    ["a word for a number", dev("threads: many"), undefined, "4:34", '"threads" has to be a number', "many"],
    ["a number too small", dev("threads: 0"), undefined, "4:34", '"threads" is wrong', "0"],
    ["a number for a text", dev("path: 1"), undefined, "4:31", '"path" has to be a text', "put it in quotes"],
    [
      "a call that is not known",
      dev("path: \"{{ var('x') }}\""),
      undefined,
      "4:31",
      "cannot read {{ var('x') }}",
      "env_var",
    ],
    ["a list for a map", outputs("[]"), undefined, "4:10", '"dev" has to be a map', "a list"],
    ["broken YAML", "shop:\n\ttarget: dev", undefined, "2:1", "Tabs are not allowed", "spaces"],
  ])("%s", (_, text, target, place, message, help) => {
    const [error] = mistakes(text, target);
    expect(error).toMatchObject({ where: `profiles.yml:${place}`, exitCode: 2 });
    expect(error?.message).toContain(message);
    expect([...(error?.why ?? []), error?.hint].join("\n")).toContain(help);
  });

  test("every variable that is not set", () => {
    const text = dev("path: \"{{ env_var('A') }}\", schema: \"{{ env_var('toString') }}\"");
    expect(mistakes(text).map(({ where, message }) => [where, message])).toEqual([
      ["profiles.yml:4:31", "environment variable A is not set"],
      ["profiles.yml:4:61", "environment variable toString is not set"],
    ]);
  });

  test("a project without the file", () => {
    expect(mistakes(undefined)[0]).toMatchObject({ code: "PROFILES_MISSING", exitCode: 2 });
  });
});

function mistakes(text: string | undefined, target?: string) {
  try {
    load(text, target === undefined ? {} : { target });
    return [];
  } catch (error) {
    return projectErrorsOf(error);
  }
}

describe("dbt's profiles", () => {
  test.each([
    ["\"{{ env_var('N') | as_number }}\"", { N: "3" }, 3],
    ["\"{{ env_var('N', '2') | int }}\"", {}, 2],
    ["\"{{ env_var('N', 5) | as_native }}\"", {}, 5],
  ])("have filters: threads %s", (threads, env, expected) => {
    expect(load(outputs(`{type: duckdb, threads: ${threads}}`), { env }).duckdb.threads).toBe(expected);
  });

  test("keep numbers as texts with as_text, and take truth with as_bool", () => {
    const attach = `[{path: a.db, read_only: "{{ env_var('R') | as_bool }}"}]`;
    const text = `{type: duckdb, schema: "{{ env_var('S') | as_text }}", attach: ${attach}}`;
    const { duckdb } = load(outputs(text), { env: { S: "007", R: "True" } });
    expect(duckdb).toMatchObject({ schema: "007", attach: [{ path: "a.db", read_only: true }] });
  });

  test("say which value is not what its filter makes of it, and not the value", () => {
    const text = outputs("{type: duckdb, threads: \"{{ env_var('N') | as_number }}\"}");
    const thrown = thrownBy(() => load(text, { env: { N: "many" } }));
    expect(projectErrorsOf(thrown)[0]).toMatchObject({
      code: "PROFILES_TEMPLATE",
      message: "the value is not a number",
      where: "profiles.yml:4:34",
      hint: "set the environment variable to a number, or remove | as_number",
    });
  });

  test("may have dbt-duckdb's other keys, which are named in one warning", () => {
    const log: string[] = [];
    load(outputs("{type: duckdb, keep_open: true, plugins: [{module: excel}], external_root: x}"), {
      sink: ({ message }) => log.push(message),
    });
    expect(log).toEqual(["profiles.yml:4:42  not supported, and ignored: plugins, external_root"]);
  });

  test("are looked for in --profiles-dir, DBT_PROFILES_DIR, the project and ~/.dbt", () => {
    const folder = (schema: string, below = "") => {
      const home = mkdtempSync(join(tmpdir(), "sillon-profiles-"));
      onTestFinished(() => rmSync(home, { recursive: true, force: true }));
      mkdirSync(join(home, below), { recursive: true });
      writeFileSync(join(home, below, "profiles.yml"), outputs(`{type: duckdb, schema: ${schema}}`));
      return home;
    };
    const env = { HOME: folder("home", ".dbt"), DBT_PROFILES_DIR: folder("variable") };
    const schemaOf = (...options: Parameters<typeof load>) => load(...options).duckdb.schema;
    const here = outputs("{type: duckdb, schema: here}");
    expect(schemaOf(here, { env, profilesDir: folder("given") })).toBe("given");
    expect(schemaOf(here, { env })).toBe("variable");
    expect(schemaOf(here, { env: { HOME: env.HOME } })).toBe("here");
    expect(schemaOf(undefined, { env: { HOME: env.HOME } })).toBe("home");
  });
});

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
