import { describe, expect, test } from "vitest";
import { createProject, mistakesIn, openWarehouse } from "../project.ts";

const LOG = "create table if not exists main.log (entry varchar)";

describe("hooks", () => {
  test("of project, YAML and model run in this order, with templates", async () => {
    const warehouse = await openWarehouse(
      createProject({
        "project.yml": `name: shop\nschema_names: exact\nmodels:\n  +pre-hook: "${LOG}"\n  +post-hook: ["insert into main.log values ('project {{ this.name }}')"]\n`,
        "models/m.yml":
          "models:\n- name: m\n  config:\n    post_hook:\n    - sql: insert into main.log select 'yaml ' || count(*) from {{ this }}\n",
        "models/m.sql": `{{ config(materialized='table', pre_hook="insert into main.log values ('before')", post_hook=["insert into main.log select 'model {{ target.name }}'", "{{#if (is_incremental)}}nonsense{{/if}}"]) }}\nselect 1 as a`,
      }),
    );
    expect((await warehouse.build()).map(({ status, error }) => [status, error])).toEqual([
      ["success", null],
    ]);
    expect((await warehouse.session.query("select entry from main.log")).rows).toEqual([
      ["before"],
      ["project m"],
      ["yaml 1"],
      ["model dev"],
    ]);
  });

  test("are part of the model's transaction, or outside of it when they say so", async () => {
    const hooks =
      "pre_hook=[{'sql': \"insert into main.log values ('outside')\", 'transaction': false}, \"insert into main.log values ('inside')\"]";
    const project = createProject({
      "models/m.sql": "{{ config(materialized='table') }}select 1 as a",
    });
    const warehouse = await openWarehouse(project);
    await warehouse.session.run(LOG);
    await warehouse.build();
    project.write(
      "models/m.sql",
      `{{ config(materialized='table', ${hooks}, post_hook="select nope") }}\nselect 2 as a`,
    );
    const [result] = await warehouse.build();
    expect(result).toMatchObject({
      status: "error",
      error: {
        code: "HOOK_SQL",
        where: "models/m.sql:1:4",
        message: expect.stringContaining("post_hook of m failed: Binder Error"),
        why: expect.arrayContaining(["the statement: select nope"]),
        hint: expect.stringContaining("several entries"),
      },
    });
    expect((await warehouse.session.query("select entry from main.log")).rows).toEqual([["outside"]]);
    expect((await warehouse.session.query("select a from main.m")).rows).toEqual([[1]]);
  });

  test("know when the model is incremental", async () => {
    const warehouse = await openWarehouse(
      createProject({
        "models/m.sql": `{{ config(materialized='incremental', pre_hook="${LOG}", post_hook="insert into main.log values ('{{#if (is_incremental)}}again{{else}}first{{/if}}')") }}select 1 as a`,
      }),
    );
    await warehouse.build();
    await warehouse.build();
    expect((await warehouse.session.query("select entry from main.log")).rows).toEqual([
      ["first"],
      ["again"],
    ]);
  });

  test("are checked before anything runs, each at its place", () => {
    const mistakes = mistakesIn({
      "project.yml": "name: shop\nmodels:\n  +post-hook: '{{ nope }}'\n",
      "models/m.yml": "models:\n- name: m\n  config:\n    pre_hook: select {{ ref('nowhere') }}\n",
      "models/m.sql": `\n{{ config(post_hook="{{ #if }}") }}select 1`,
      "models/n.sql": `{{ config(pre_hook=5) }}select 1`,
    });
    expect(mistakes.map(({ code, where }) => [code, where])).toEqual([
      ["TEMPLATE_SYNTAX", "models/m.sql:2:4"],
      ["CONFIG_INVALID", "models/n.sql:1:4"],
      ["REF_UNKNOWN", "models/m.yml:4:5"],
      ["TEMPLATE_NAME_UNKNOWN", "project.yml:3:3"],
      ["TEMPLATE_NAME_UNKNOWN", "project.yml:3:3"],
    ]);
  });

  test("make the model wait for what they read", () => {
    const { model } = createProject({
      "models/m.sql": `{{ config(post_hook="delete from {{ this }} where a in (select a from {{ ref('n') }})") }}select 1 as a`,
      "models/n.sql": "select 1 as a",
    });
    expect(model("m").dependsOn).toEqual(["model.shop.n"]);
  });
});
