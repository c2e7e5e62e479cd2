import { describe, expect, test } from "vitest";
import type { Graph } from "../../runner/nodes.ts";
import { type SelectionOptions, selectNodes } from "../../runner/select.ts";
import { createProject, mistakesOf } from "./project.ts";

/**
 * api.users -> stg_users ─┬─> dim_users ──> fct_plays ──> report
 * api.plays -> stg_plays ─┼─────────────────┘
 *                         └─> lonely (staging/old)
 */
function shop(): Graph {
  return createProject({
    "models/staging/sources.yml":
      "sources: [{name: api, tags: [raw], tables: [{name: users, columns: [{name: id, data_tests: [unique]}]}, {name: plays}]}]",
    "models/staging/stg_users.sql":
      "{{ config(tags=['nightly']) }} select * from {{ source('api', 'users') }}",
    "models/staging/stg_plays.sql": "select * from {{ source('api', 'plays') }}",
    "models/staging/old/lonely.sql": "select * from {{ ref('stg_users') }}",
    "models/marts/dim_users.sql":
      "{{ config(tags=['nightly', 'pii']) }} select * from {{ ref('stg_users') }}",
    "models/marts/fct_plays.sql": "select * from {{ ref('stg_plays') }}, {{ ref('dim_users') }}",
    "models/marts/report.sql": "select * from {{ ref('fct_plays') }}",
    "models/marts/marts.yml":
      "models: [{name: dim_users, columns: [{name: id, tests: [not_null]}]}, {name: fct_plays, columns: [{name: user_id, tests: [{relationships: {to: ref('dim_users'), field: id}}]}]}]",
    "tests/data/report__ok.sql": "{{ config(tags=['slow']) }} select * from {{ ref('report') }}",
  }).scope().graph;
}

const SHORT: Record<string, string> = {
  source_unique_api_users_id: "t:users_id",
  not_null_dim_users_id: "t:dim_id",
  relationships_fct_plays_user_id__id__ref_dim_users_: "t:fct_dim",
  report__ok: "t:report",
};

/** Models and sources by name, tests as in SHORT; sorted. */
function chosen(options: SelectionOptions): string {
  const graph = shop();
  const names = [...selectNodes(graph, options)].map((id) => graph.nodes.get(id)?.name ?? id);
  return names
    .map((name) => SHORT[name] ?? name)
    .sort()
    .join(" ");
}

const ALL =
  "dim_users fct_plays lonely plays report stg_plays stg_users t:dim_id t:fct_dim t:report t:users_id users";

test.each([
  ["stg_plays", "stg_plays"],
  ["dim_users", "dim_users t:dim_id t:fct_dim"],
  ["fqn:dim_users", "dim_users t:dim_id t:fct_dim"],
  ["marts", "dim_users fct_plays report t:dim_id t:fct_dim t:report"],
  ["shop.marts", "dim_users fct_plays report t:dim_id t:fct_dim t:report"],
  ["marts.report", "report t:report"],
  ["marts.*", "dim_users fct_plays report t:dim_id t:fct_dim t:report"],
  ["staging.old", "lonely"],
  ["stg_*", "stg_plays stg_users"],
  ["stg_?lays", "stg_plays"],
  ["stg_[pq]*", "stg_plays"],
  ["stg_[!p]*", "stg_users"],
  ["*", ALL],
  ["shop", ALL],
  ["stg_users+", "dim_users fct_plays lonely report stg_users t:dim_id t:fct_dim t:report"],
  ["stg_users+1", "dim_users lonely stg_users t:dim_id t:fct_dim"],
  ["stg_users+0", "stg_users"],
  ["+dim_users", "dim_users stg_users t:dim_id t:fct_dim t:users_id users"],
  ["1+dim_users", "dim_users stg_users t:dim_id t:fct_dim"],
  ["2+fct_plays", "dim_users fct_plays plays stg_plays stg_users t:dim_id t:fct_dim"],
  ["1+dim_users+1", "dim_users fct_plays stg_users t:dim_id t:fct_dim"],
  ["+report", ALL.replace("lonely ", "")],
  ["@stg_plays", ALL.replace("lonely ", "")],
  ["@report", ALL.replace("lonely ", "")],
  ["tag:nightly", "dim_users stg_users t:dim_id t:fct_dim"],
  ["tag:night*", "dim_users stg_users t:dim_id t:fct_dim"],
  ["tag:raw", "plays t:users_id users"],
  ["tag:slow", "t:report"],
  ["+tag:pii", "dim_users stg_users t:dim_id t:fct_dim t:users_id users"],
  ["path:models/marts", "dim_users fct_plays report t:dim_id t:fct_dim t:report"],
  ["models/marts", "dim_users fct_plays report t:dim_id t:fct_dim t:report"],
  ["models/marts/", "dim_users fct_plays report t:dim_id t:fct_dim t:report"],
  ["./models/staging/old", "lonely"],
  ["models/marts/report.sql", "report t:report"],
  ["models/staging/*.sql", "stg_plays stg_users"],
  ["models/**/l*.sql", "lonely"],
  ["models/*/old", "lonely"],
  ["models/marts/marts.yml", "dim_users fct_plays t:dim_id t:fct_dim"],
  ["tests/data", "t:report"],
  ["file:report.sql", "report t:report"],
  ["report.sql", "report t:report"],
  ["file:stg_plays", "stg_plays"],
  ["source:api", "plays t:users_id users"],
  ["source:api.users", "t:users_id users"],
  ["source:api.plays+", "fct_plays plays report stg_plays t:fct_dim t:report"],
  ["source:*", "plays t:users_id users"],
  ["resource_type:source", "plays t:users_id users"],
  ["resource_type:test", "t:dim_id t:fct_dim t:report t:users_id"],
  ["test_type:singular", "t:report"],
  ["test_type:generic", "t:dim_id t:fct_dim t:users_id"],
  ["test_name:not_null", "t:dim_id"],
  ["report__ok", "t:report"],
  ["stg_plays lonely", "lonely stg_plays"],
  ["tag:nightly,marts", "dim_users t:dim_id t:fct_dim"],
  ["marts,test_type:generic", "t:dim_id t:fct_dim"],
  ["dim_users,test_name:not_null", "t:dim_id"],
  ["stg_users+,+fct_plays", "dim_users fct_plays stg_users t:dim_id t:fct_dim"],
])("--select %s", (select, names) => {
  expect(chosen({ select: [select] })).toBe(names);
});

test.each<[SelectionOptions, string]>([
  [{}, ALL],
  [{ select: ["stg_plays", "lonely"] }, "lonely stg_plays"],
  [{ select: ["marts"], exclude: ["report"] }, "dim_users fct_plays t:dim_id t:fct_dim"],
  [{ select: ["marts"], exclude: ["dim_users+"] }, ""],
  [{ exclude: ["marts", "staging"] }, ""],
  [{ exclude: ["tag:nightly", "source:*"] }, "fct_plays lonely report stg_plays t:report"],
  [{ select: ["marts"], exclude: ["resource_type:test"] }, "dim_users fct_plays report"],
  [{ select: ["stg_users+"], exclude: ["marts,tag:pii"] }, "fct_plays lonely report stg_users t:report"],
])("%o", (options, names) => {
  expect(chosen(options)).toBe(names);
});

describe("names what is near when nothing matches:", () => {
  test.each([
    ["dim_user", '"dim_user" matches nothing', "nearest names: dim_users"],
    ["mart", '"mart" matches nothing', "nearest names: marts"],
    ["tag:nightli", '"tag:nightli" matches nothing', "nearest names: nightly"],
    ["+tag:nightli+2", '"+tag:nightli+2" matches nothing', "nearest names: nightly"],
    ["models/mrts", '"models/mrts" matches nothing', "nearest names: models/marts"],
    ["file:reprt.sql", '"file:reprt.sql" matches nothing', "nearest names: report.sql"],
    ["source:apy.users", '"source:apy.users" matches nothing', "nearest names: api.users"],
    ["resource_type:models", '"resource_type:models" matches nothing', "nearest names: model"],
    ["test_name:uniqe", '"test_name:uniqe" matches nothing', "nearest names: unique"],
    ["tagg:nightly", 'unknown method "tagg:"', "nearest names: tag"],
    ["constructor:x", 'unknown method "constructor:"', undefined],
    ["@dim_users+", '"@dim_users+" has both @ and a +', undefined],
    ["lonely,marts", '"lonely,marts" matches nothing', undefined],
    ["+", '"+" matches nothing', undefined],
    ["(", '"(" matches nothing', undefined],
    ["[", '"[" matches nothing', undefined],
  ])("%s", (select, message, near) => {
    const [error, ...others] = mistakesOf(() => selectNodes(shop(), { select: [select] }));
    expect(others).toEqual([]);
    expect(error).toMatchObject({ where: "--select", exitCode: 2 });
    expect(error?.message).toContain(message);
    if (near !== undefined) expect(error?.why[0]).toMatch(new RegExp(`^${near}\\b`));
    expect(error?.hint).toBeTruthy();
  });

  test("each criterion of --select and --exclude", () => {
    const options = { select: ["dim_user", "marts"], exclude: ["nope tag:pi"] };
    const errors = mistakesOf(() => selectNodes(shop(), options));
    expect(errors.map(({ where, message }) => [where, message])).toEqual([
      ["--select", '"dim_user" matches nothing'],
      ["--exclude", '"nope" matches nothing'],
      ["--exclude", '"tag:pi" matches nothing'],
    ]);
  });
});
