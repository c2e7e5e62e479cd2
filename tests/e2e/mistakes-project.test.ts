import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { run } from "./cli.ts";
import { expectHelpful, type Mistake, make, prepare } from "./mistakes.ts";

const TRACKS = "models/staging/stg_tracks.sql";
const PLAYS = "models/marts/fct_listens.sql";
const SOURCE = "ingest/sources/moovitamix.ts";
const profile = (dev: string) => `moovitamix:\n  target: dev\n  outputs:\n    dev:\n      ${dev}\n`;

describe("a project", () => {
  test.each<[string, Mistake]>([
    [
      "without profiles",
      {
        remove: "profiles.yml",
        where: "/",
        message: "no profiles.yml beside the project's file",
        help: "add one, in dbt's shape",
      },
    ],
    [
      "with an unknown profile",
      {
        replace: ["project.yml", "profile: moovitamix", "profile: moovitamx"],
        where: "profiles.yml:1:1",
        message: 'no profile "moovitamx"',
        help: "nearest names: moovitamix",
      },
    ],
    [
      "with an unknown key in its profile",
      {
        write: { "profiles.yml": profile("type: duckdb\n      pth: x.duckdb") },
        where: "profiles.yml:6:7",
        message: 'unknown key "pth"',
        help: "nearest names: path",
      },
    ],
    [
      "with an unknown engine",
      {
        write: { "profiles.yml": profile("type: duckbd") },
        where: "profiles.yml:5:13",
        message: '"type" cannot be "duckbd"',
        help: "nearest names: duckdb",
      },
    ],
    [
      "with an unset variable in its profile",
      {
        write: { "profiles.yml": profile("type: duckdb\n      path: \"{{ env_var('NOPE') }}\"") },
        where: "profiles.yml:6:13",
        message: "environment variable NOPE is not set",
        help: "give env_var a default",
      },
    ],
    [
      "with a wrong number from the environment",
      {
        env: { SILLON_THREADS: "many" },
        where: "profiles.yml",
        at: "\"{{ env_var('SILLON_THREADS",
        message: '"threads" has to be a number',
        help: 'found: "many"',
      },
    ],
    [
      "with a wrong memory limit",
      {
        env: { SILLON_MEMORY_LIMIT: "lots" },
        where: "profiles.yml",
        message: "refuses the setting memory_limit",
        help: "correct its name or its value",
      },
    ],
    [
      "with broken YAML in its profiles",
      {
        write: { "profiles.yml": "moovitamix:\n\ttarget: dev\n" },
        where: "profiles.yml:2:1",
        message: "Tabs are not allowed",
        help: "indent with spaces",
      },
    ],
    [
      "with an unknown key",
      {
        replace: ["project.yml", "model-paths:", "model_paths:"],
        where: "project.yml",
        at: "model_paths:",
        message: 'unknown key "model_paths"',
        help: "nearest names: model-paths",
      },
    ],
    [
      "with an unknown rule for schemas",
      {
        replace: ["project.yml", "schema_names: exact", "schema_names: exakt"],
        where: "project.yml",
        at: "exakt",
        message: '"schema_names" cannot be "exakt"',
        help: "nearest names: exact",
      },
    ],
    [
      "with an unknown configuration",
      {
        replace: ["project.yml", "+materialized: view", "+materialised: view"],
        where: "project.yml",
        at: "+materialised",
        message: 'unknown config "materialised"',
        help: "nearest names: materialized",
      },
    ],
    [
      "with a wrong setting of the connector",
      {
        args: "ingest",
        replace: ["project.yml", "concurrency: 8", "concurency: 8"],
        where: "project.yml",
        at: "concurency",
        message: 'unknown key "concurency"',
        help: "nearest names: concurrency",
      },
    ],
    [
      "with an unknown ref",
      {
        replace: [PLAYS, "ref('stg_listen_history')", "ref('stg_listens')"],
        where: PLAYS,
        at: "ref('stg_listens",
        message: 'unknown model "stg_listens" in ref()',
        help: "add stg_listens.sql below models/",
      },
    ],
    [
      "with an unknown source",
      {
        replace: [TRACKS, "'tracks'", "'trakcs'"],
        where: TRACKS,
        at: "source(",
        message: 'unknown table "moovitamix.trakcs" in source()',
        help: "nearest names: moovitamix.tracks",
      },
    ],
    [
      "with an unknown helper",
      {
        write: { "models/a.sql": "select {{ jsn_text('a', 'b') }}" },
        where: "models/a.sql:1:11",
        message: 'unknown helper "jsn_text"',
        help: "nearest names: json_text",
      },
    ],
    [
      "with an unset variable",
      {
        write: { "models/a.sql": "select {{ var('days') }}" },
        where: "models/a.sql:1:11",
        message: 'variable "days" has no value',
        help: "--vars '{days: …}'",
      },
    ],
    [
      "with an unset environment variable",
      {
        write: { "models/a.sql": "select {{ env_var('NOPE') }}" },
        where: "models/a.sql:1:11",
        message: "environment variable NOPE is not set",
        help: "set NOPE",
      },
    ],
    [
      "with a cycle",
      {
        write: { "models/a.sql": "from {{ ref('b') }}", "models/b.sql": "from {{ ref('a') }}" },
        where: "models/a.sql:1:9",
        message: "in a circle",
        help: "a -> b -> a",
      },
    ],
    [
      "with a Jinja block",
      {
        write: { "models/a.sql": "select 1\n{% if x %}" },
        where: "models/a.sql:2:1",
        message: "Jinja blocks are not supported",
        help: "write {{#if}}",
      },
    ],
    [
      "with an unclosed tag",
      {
        write: { "models/a.sql": "select {{ ref('dim_users'" },
        where: "models/a.sql:1:8",
        message: '"{{" is never closed',
        help: 'add "}}"',
      },
    ],
    [
      "with broken YAML",
      {
        write: { "models/a.yml": "models:\n  - name: 'a\n" },
        where: "models/a.yml:2:11",
        message: "Missing closing 'quote",
        help: "close the quote that begins here",
      },
    ],
    [
      "with a list where a map belongs",
      {
        write: { "models/a.yml": "- name: a\n" },
        where: "models/a.yml:1:1",
        message: "this file has to be a map",
        help: "found: a list",
      },
    ],
    [
      "with a key twice",
      {
        write: { "models/a.yml": "models: []\nmodels: []\n" },
        where: "models/a.yml:2:1",
        message: "Map keys must be unique",
        help: "keep one",
      },
    ],
    [
      "with an unknown test",
      {
        write: {
          "models/a.sql": "select 1 as a",
          "models/a.yml":
            "models:\n  - name: a\n    columns:\n      - name: a\n        data_tests: [unqiue]\n",
        },
        where: "models/a.yml:5:22",
        message: 'unknown test "unqiue"',
        help: "nearest names: unique",
      },
    ],
    [
      "with a description of no model",
      {
        write: { "models/a.yml": "models:\n  - name: dim_user\n" },
        where: "models/a.yml:2:11",
        message: 'describes a model "dim_user"',
        help: "nearest names: dim_users",
      },
    ],
    [
      "with two models of a name",
      {
        write: { "models/dim_users.sql": "select 1" },
        where: "models/marts/dim_users.sql:1:1",
        message: "would build what another file builds",
        help: "models/dim_users.sql",
      },
    ],
    [
      "with an empty model",
      {
        write: { "models/a.sql": "\n" },
        where: "models/a.sql:1:1",
        message: "the model has no SQL",
        help: "delete the file",
      },
    ],
    [
      "with a source that is no TypeScript",
      {
        args: "ingest",
        replace: [SOURCE, "export const source =", "export const source"],
        where: `${SOURCE}:`,
        message: "cannot be loaded",
        help: "correct the file",
      },
    ],
    [
      "with a file that exports no source",
      {
        args: "ingest",
        write: { [SOURCE]: "export const sauce = 1;\n" },
        where: SOURCE,
        message: 'exports no "source"',
        help: "export const source = defineSource",
      },
    ],
    [
      "that publishes nothing",
      {
        args: "publish",
        replace: ["project.yml", "select: marts", "select: martz"],
        where: "",
        message: '"martz" matches nothing',
        help: "nearest names: marts",
      },
    ],
  ])("%s is exit 2 and executes nothing", async (_, mistake) => {
    const result = await make(mistake);
    expect(result.exitCode).toBe(2);
    expectHelpful(result, mistake);
    expect(result.stdout).toBe("");
    expect(existsSync(join(result.cwd, "data/warehouse.duckdb"))).toBe(false);
  });

  test("with several mistakes tells all of them at once", async () => {
    const cwd = prepare({
      where: "",
      message: "",
      help: "",
      write: { "models/a.sql": "{{ ref('x') }}", "models/b.sql": "{% x %}", "models/c.yml": "models: 5" },
    });
    const { exitCode, stderr } = await run(["models"], { cwd });
    expect(exitCode).toBe(2);
    for (const where of ["models/a.sql:1:4", "models/b.sql:1:1", "models/c.yml:1:9"])
      expect(stderr).toContain(where);
  });

  test("with a mistake tells it as one JSON document on stdout when asked to", async () => {
    const cwd = prepare({
      where: "",
      message: "",
      help: "",
      write: { "models/a.sql": "{{ ref('dim_user') }}" },
    });
    const { exitCode, stdout } = await run(["models", "--json"], { cwd });
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      exit_code: 2,
      errors: [
        {
          code: "REF_UNKNOWN",
          where: "models/a.sql:1:4",
          why: [expect.stringMatching(/^nearest names: dim_users\b/)],
        },
      ],
    });
  });
});
