import type { SelectionOptions } from "../../runner/select/select.ts";
import { createProject, type TestProject } from "./project.ts";

/**
 * api.users -> stg_users ─┬─> dim_users ──> fct_plays ──> report
 * api.plays -> stg_plays ─┼─────────────────┘
 *                         └─> lonely (staging/old)
 */
const SHOP = {
  "models/staging/sources.yml":
    "sources: [{name: api, tags: [raw], tables: [{name: users, columns: [{name: id, data_tests: [unique]}]}, {name: plays}]}]",
  "models/staging/stg_users.sql": "{{ config(tags=['nightly']) }} select * from {{ source('api', 'users') }}",
  "models/staging/stg_plays.sql": "select * from {{ source('api', 'plays') }}",
  "models/staging/old/lonely.sql": "select * from {{ ref('stg_users') }}",
  "models/marts/dim_users.sql": "{{ config(tags=['nightly', 'pii']) }} select * from {{ ref('stg_users') }}",
  "models/marts/fct_plays.sql":
    "{{ config(materialized='table', meta={'owner': 'ana'}) }} select * from {{ ref('stg_plays') }}, {{ ref('dim_users') }}",
  "models/marts/report.sql": "select * from {{ ref('fct_plays') }}",
  "models/marts/marts.yml":
    "models: [{name: dim_users, columns: [{name: id, tests: [not_null]}]}, {name: fct_plays, columns: [{name: user_id, tests: [{relationships: {to: ref('dim_users'), field: id}}]}]}]",
  "tests/data/report__ok.sql":
    "{{ config(tags=['slow'], severity='warn') }} select * from {{ ref('report') }}",
};

export const SELECTORS = `
selectors:
  - name: nightly
    definition: tag:nightly
  - name: facts_and_lonely
    definition: "fct_* lonely,staging"
  - name: map
    definition: { tag: pii }
  - name: full
    definition: { method: fqn, value: dim_users, parents: true, parents_depth: 1, children: true, children_depth: 1 }
  - name: around
    definition: { method: fqn, value: stg_plays, childrens_parents: true }
  - name: careful
    definition: { method: fqn, value: marts, indirect_selection: cautious, exclude: [{ method: fqn, value: report }] }
  - name: alone
    definition: { method: fqn, value: marts, indirect_selection: empty }
  - name: union
    definition:
      union:
        - tag: pii
        - stg_plays
        - exclude: [{ test_name: not_null }]
  - name: intersection
    definition:
      intersection:
        - path: models/marts
        - { method: config.materialized, value: view }
        - exclude: ["resource_type:test"]
  - name: inherits
    definition:
      union: [{ method: selector, value: full }, lonely, { exclude: [stg_users] }]
  - name: apart
    definition:
      union:
        - { method: fqn, value: dim_users, indirect_selection: cautious }
        - { method: fqn, value: fct_plays, indirect_selection: cautious }
`;

/** The project, or one in which some files differ; null: a file that it does not have. */
export function shop(changes: Record<string, string | null> = {}): TestProject {
  const files = Object.entries({ ...SHOP, ...changes });
  return createProject(
    Object.fromEntries(files.flatMap(([name, text]) => (text === null ? [] : [[name, text]]))),
  );
}

/** What differed when the artifacts of `--state` were made. */
export const FORMERLY: Record<string, string | null> = {
  "models/staging/old/lonely.sql": null,
  "models/staging/stg_plays.sql": "select 1 as one from {{ source('api', 'plays') }}",
  "models/staging/stg_users.sql": `${SHOP["models/staging/stg_users.sql"]}\n`,
  "models/marts/report.yml": "models: [{name: report, config: {alias: old_report}}]",
  "models/marts/marts.yml": SHOP["models/marts/marts.yml"]
    .replace("tests: [not_null]", "tests: [{not_null: {severity: warn}}]")
    .replace("{name: dim_users,", "{name: dim_users, config: {meta: {owner: bob}}, description: Users.,"),
};
export const FORMER_STATUSES = {
  "model.shop.report": "error",
  "model.shop.stg_users": "success",
  "test.shop.report__ok": "skipped",
};

/** Tests by a short name. */
export const SHORT: Record<string, string> = {
  source_unique_api_users_id: "t:users_id",
  not_null_dim_users_id: "t:dim_id",
  relationships_fct_plays_user_id__id__ref_dim_users_: "t:fct_dim",
  report__ok: "t:report",
};

/** What has a name of its own: no source. */
const NAMED = "dim_users fct_plays lonely report stg_plays stg_users t:dim_id t:fct_dim t:report t:users_id";
const ALL =
  "dim_users fct_plays lonely plays report stg_plays stg_users t:dim_id t:fct_dim t:report t:users_id users";
const MARTS = "dim_users fct_plays report t:dim_id t:fct_dim t:report";

/** What each selection chooses: models and sources by name, tests by their short one; sorted. */
export const SELECTIONS: [SelectionOptions, string][] = [
  [{ select: ["stg_plays"] }, "stg_plays"],
  [{ select: ["dim_users"] }, "dim_users t:dim_id t:fct_dim"],
  [{ select: ["fqn:dim_users"] }, "dim_users t:dim_id t:fct_dim"],
  [{ select: ["marts"] }, "dim_users fct_plays report t:dim_id t:fct_dim t:report"],
  [{ select: ["shop.marts"] }, "dim_users fct_plays report t:dim_id t:fct_dim t:report"],
  [{ select: ["marts.report"] }, "report t:report"],
  [{ select: ["marts.*"] }, "dim_users fct_plays report t:dim_id t:fct_dim t:report"],
  [{ select: ["staging.old"] }, "lonely"],
  [{ select: ["stg_*"] }, "stg_plays stg_users"],
  [{ select: ["stg_?lays"] }, "stg_plays"],
  [{ select: ["stg_[pq]*"] }, "stg_plays"],
  [{ select: ["stg_[!p]*"] }, "stg_users"],
  [{ select: ["*"] }, NAMED],
  [{ select: ["shop"] }, NAMED],
  [{ select: ["stg_users+"] }, "dim_users fct_plays lonely report stg_users t:dim_id t:fct_dim t:report"],
  [{ select: ["stg_users+1"] }, "dim_users lonely stg_users t:dim_id t:fct_dim"],
  [{ select: ["stg_users+0"] }, "stg_users"],
  [{ select: ["+dim_users"] }, "dim_users stg_users t:dim_id t:fct_dim t:users_id users"],
  [{ select: ["1+dim_users"] }, "dim_users stg_users t:dim_id t:fct_dim"],
  [{ select: ["2+fct_plays"] }, "dim_users fct_plays plays stg_plays stg_users t:dim_id t:fct_dim"],
  [{ select: ["1+dim_users+1"] }, "dim_users fct_plays stg_users t:dim_id t:fct_dim"],
  [{ select: ["+report"] }, ALL.replace("lonely ", "")],
  [{ select: ["@stg_plays"] }, ALL.replace("lonely ", "")],
  [{ select: ["@report"] }, ALL.replace("lonely ", "")],
  [{ select: ["tag:nightly"] }, "dim_users stg_users t:dim_id t:fct_dim"],
  [{ select: ["tag:night*"] }, "dim_users stg_users t:dim_id t:fct_dim"],
  [{ select: ["tag:raw"] }, "plays t:users_id users"],
  [{ select: ["tag:slow"] }, "t:report"],
  [{ select: ["+tag:pii"] }, "dim_users stg_users t:dim_id t:fct_dim t:users_id users"],
  [{ select: ["path:models/marts"] }, "dim_users fct_plays report t:dim_id t:fct_dim t:report"],
  [{ select: ["models/marts"] }, "dim_users fct_plays report t:dim_id t:fct_dim t:report"],
  [{ select: ["models/marts/"] }, "dim_users fct_plays report t:dim_id t:fct_dim t:report"],
  [{ select: ["./models/staging/old"] }, "lonely"],
  [{ select: ["models/marts/report.sql"] }, "report t:report"],
  [{ select: ["models/staging/*.sql"] }, "stg_plays stg_users"],
  [{ select: ["models/**/l*.sql"] }, "lonely"],
  [{ select: ["models/*/old"] }, "lonely"],
  [{ select: ["models/marts/marts.yml"] }, "dim_users fct_plays t:dim_id t:fct_dim"],
  [{ select: ["tests/data"] }, "t:report"],
  [{ select: ["file:report.sql"] }, "report t:report"],
  [{ select: ["report.sql"] }, "report t:report"],
  [{ select: ["file:stg_plays"] }, "stg_plays"],
  [{ select: ["source:api"] }, "plays t:users_id users"],
  [{ select: ["source:api.users"] }, "t:users_id users"],
  [{ select: ["source:api.plays+"] }, "fct_plays plays report stg_plays t:fct_dim t:report"],
  [{ select: ["source:*"] }, "plays t:users_id users"],
  [{ select: ["resource_type:source"] }, "plays t:users_id users"],
  [{ select: ["resource_type:test"] }, "t:dim_id t:fct_dim t:report t:users_id"],
  [{ select: ["test_type:singular"] }, "t:report"],
  [{ select: ["test_type:generic"] }, "t:dim_id t:fct_dim t:users_id"],
  [{ select: ["test_name:not_null"] }, "t:dim_id"],
  [{ select: ["report__ok"] }, "t:report"],
  [{ select: ["stg_plays lonely"] }, "lonely stg_plays"],
  [{ select: ["tag:nightly,marts"] }, "dim_users t:dim_id t:fct_dim"],
  [{ select: ["marts,test_type:generic"] }, "t:dim_id t:fct_dim"],
  [{ select: ["dim_users,test_name:not_null"] }, "t:dim_id"],
  [{ select: ["stg_users+,+fct_plays"] }, "dim_users fct_plays stg_users t:dim_id t:fct_dim"],
  [{}, ALL],
  [{ select: ["stg_plays", "lonely"] }, "lonely stg_plays"],
  [{ select: ["marts"], exclude: ["report"] }, "dim_users fct_plays t:dim_id t:fct_dim"],
  [{ select: ["marts"], exclude: ["dim_users+"] }, ""],
  [{ exclude: ["marts", "staging"] }, "plays users"],
  [{ exclude: ["tag:nightly", "source:*"] }, "fct_plays lonely report stg_plays t:report"],
  [{ select: ["marts"], exclude: ["resource_type:test"] }, "dim_users fct_plays report"],
  [{ select: ["stg_users+"], exclude: ["marts,tag:pii"] }, "fct_plays lonely report stg_users t:report"],

  // Wildcards, depth and words.
  [{ select: ["*_users"] }, "dim_users stg_users t:dim_id t:fct_dim"],
  [{ select: ["[dr]*"] }, "dim_users report t:dim_id t:fct_dim t:report"],
  [{ select: ["*plays+1"] }, "fct_plays report stg_plays t:fct_dim t:report"],
  [{ select: ["0+report"] }, "report t:report"],
  [{ select: ["1+report"] }, "fct_plays report t:fct_dim t:report"],
  [{ select: ["@lonely"] }, "lonely stg_users t:users_id users"],
  [{ select: ["@dim_users"] }, ALL.replace("lonely ", "")],
  [{ select: ["@source:api.users"] }, ALL],
  [{ select: ["  stg_plays \n lonely "] }, "lonely stg_plays"],
  [{ select: ["stg_plays,staging lonely,fqn:staging.old"] }, "lonely stg_plays"],
  [{ select: ["staging,resource_type:model report,+report"] }, "lonely report stg_plays stg_users t:report"],
  [{ select: ["+report,tag:nightly,resource_type:model"] }, "dim_users stg_users t:dim_id t:fct_dim"],
  // Methods.
  [{ select: ["source:shop.api.users"] }, "t:users_id users"],
  [{ select: ["source:*.plays"] }, "plays"],
  [{ select: ["source:a?i.p*"] }, "plays"],
  [{ select: ["source:api.*+1"] }, "plays stg_plays stg_users t:users_id users"],
  [{ select: ["package:this"] }, ALL],
  [{ select: ["package:sh?p,resource_type:model,marts"] }, MARTS],
  [{ select: ["resource_type:model"] }, NAMED.replace(" t:users_id", "")],
  [{ select: ["test_type:data"] }, "t:dim_id t:fct_dim t:report t:users_id"],
  [{ select: ["test_type:schema"] }, "t:dim_id t:fct_dim t:users_id"],
  [{ select: ["test_name:*l*"] }, "t:dim_id t:fct_dim"],
  [{ select: ["config.materialized:table"] }, "fct_plays t:fct_dim"],
  [{ select: ["config.meta.owner:ana"] }, "fct_plays t:fct_dim"],
  [{ select: ["config.meta:owner"] }, "fct_plays t:fct_dim"],
  [{ select: ["config.tags:pii"] }, "dim_users t:dim_id t:fct_dim"],
  [{ select: ["config.severity:WARN"] }, "t:report"],
  [{ select: ["config.enabled:True,marts"] }, MARTS],
  [{ select: ["1+config.materialized:table"] }, "dim_users fct_plays stg_plays t:dim_id t:fct_dim"],
  [{ select: ["access:protected,staging"] }, "lonely stg_plays stg_users"],
  [{ select: ["version:none,marts"] }, MARTS],
  // Tests that come along.
  [{ select: ["dim_users"], indirectSelection: "eager" }, "dim_users t:dim_id t:fct_dim"],
  [{ select: ["dim_users"], indirectSelection: "cautious" }, "dim_users t:dim_id"],
  [{ select: ["dim_users"], indirectSelection: "buildable" }, "dim_users t:dim_id"],
  [{ select: ["dim_users"], indirectSelection: "empty" }, "dim_users"],
  [{ select: ["fct_plays"], indirectSelection: "eager" }, "fct_plays t:fct_dim"],
  [{ select: ["fct_plays"], indirectSelection: "cautious" }, "fct_plays"],
  [{ select: ["fct_plays"], indirectSelection: "buildable" }, "fct_plays t:fct_dim"],
  [{ select: ["fct_plays"], indirectSelection: "empty" }, "fct_plays"],
  [
    { select: ["dim_users fct_plays"], indirectSelection: "cautious" },
    "dim_users fct_plays t:dim_id t:fct_dim",
  ],
  [
    { select: ["dim_users fct_plays"], indirectSelection: "buildable" },
    "dim_users fct_plays t:dim_id t:fct_dim",
  ],
  [{ select: ["dim_users fct_plays"], indirectSelection: "empty" }, "dim_users fct_plays"],
  [{ select: ["stg_users"], indirectSelection: "buildable" }, "stg_users"],
  [{ select: ["dim_users+"], indirectSelection: "empty" }, MARTS],
  [{ select: ["marts"], exclude: ["dim_users"], indirectSelection: "cautious" }, "fct_plays report t:report"],
  [{ select: ["test_name:not_null"], indirectSelection: "empty" }, "t:dim_id"],
  [{ select: ["marts,tag:nightly"], indirectSelection: "cautious" }, "dim_users t:dim_id"],
  // Kinds of resources.
  [{ resourceType: ["source"] }, "plays users"],
  [{ select: ["marts"], resourceType: ["test"] }, "t:dim_id t:fct_dim t:report"],
  [{ select: ["marts"], resourceType: ["model", "source"] }, "dim_users fct_plays report"],
  [{ select: ["+dim_users"], excludeResourceType: ["test", "source"] }, "dim_users stg_users"],
  // selectors.yml.
  [{ selector: "nightly" }, "dim_users stg_users t:dim_id t:fct_dim"],
  [{ selector: "facts_and_lonely" }, "fct_plays lonely t:fct_dim"],
  [{ selector: "map" }, "dim_users t:dim_id t:fct_dim"],
  [{ selector: "full" }, "dim_users fct_plays stg_users t:dim_id t:fct_dim"],
  [{ selector: "around" }, ALL.replace("lonely ", "")],
  [{ selector: "careful" }, "dim_users fct_plays t:dim_id t:fct_dim"],
  [{ selector: "alone" }, "dim_users fct_plays report t:dim_id t:fct_dim"],
  [{ selector: "union" }, "dim_users stg_plays t:fct_dim"],
  [{ selector: "intersection" }, "dim_users report"],
  [{ selector: "inherits" }, "dim_users fct_plays lonely t:dim_id t:fct_dim"],
  [{ selector: "apart" }, "dim_users fct_plays t:dim_id t:fct_dim"],
  [{ selector: "careful", indirectSelection: "empty" }, "dim_users fct_plays t:dim_id t:fct_dim"],
  [{ selector: "map", indirectSelection: "empty" }, "dim_users"],
  [{ selector: "nightly", resourceType: ["model"] }, "dim_users stg_users"],
  [{ select: ["selector:map"] }, "dim_users t:dim_id t:fct_dim"],
  [
    { select: ["selector:map+1,resource_type:model lonely"] },
    "dim_users fct_plays lonely t:dim_id t:fct_dim",
  ],
  [{ select: ["marts"], exclude: ["selector:map"] }, "fct_plays report t:report"],
  // A former run.
  [{ select: ["state:new"] }, "lonely"],
  [{ select: ["state:old"], resourceType: ["model"] }, "dim_users fct_plays report stg_plays stg_users"],
  [{ select: ["state:modified"], indirectSelection: "empty" }, "dim_users lonely report stg_plays t:dim_id"],
  [{ select: ["state:modified.body"] }, "lonely stg_plays"],
  [{ select: ["state:modified.configs"], indirectSelection: "empty" }, "dim_users lonely t:dim_id"],
  [{ select: ["state:modified.relation"] }, "lonely report t:report"],
  [{ select: ["state:modified.persisted_descriptions"] }, "lonely"],
  [{ select: ["state:modified.contract"] }, ""],
  [{ select: ["state:unmodified"], resourceType: ["model"] }, "fct_plays stg_users"],
  [
    { select: ["state:modified+"], exclude: ["state:new"], resourceType: ["model"] },
    "dim_users fct_plays report stg_plays",
  ],
  [{ select: ["state:new,tag:nightly"] }, ""],
  [{ select: ["result:error"] }, "report t:report"],
  [{ select: ["result:fail"] }, ""],
  [{ select: ["1+result:error"], indirectSelection: "empty" }, "fct_plays report"],
  [{ select: ["result:error+ state:new"] }, "lonely report t:report"],
  [{ select: ["source_status:fresher+1"] }, "stg_users t:users_id users"],
  // Nothing, where that is allowed.
  [{ select: ["nope"], allowEmptySelection: true }, ""],
  [{ select: ["nope lonely"], exclude: ["nope"], allowEmptySelection: true }, "lonely"],
];
