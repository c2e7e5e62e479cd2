import { describe, expect, test } from "vitest";
import { isTestResult } from "../../../runner/build/results.ts";
import { createProject, mistakesIn, openWarehouse } from "../project.ts";

const FILES = {
  "models/base.sql": "{{ config(materialized='table') }}select 1 as a union all select 2",
  "models/inner_step.sql":
    "{{ config(materialized='ephemeral') }}\nwith base as (select * from {{ ref('base') }})\nselect a + 1 as a from base",
  "models/outer_step.sql":
    "{{ config(materialized='ephemeral') }}\nselect a * 10 as a from {{ ref('inner_step') }}",
  "models/final.sql":
    "-- One row per a.\nwith steps as (select * from {{ ref('outer_step') }})\nselect s.a, i.a as b from steps as s join {{ ref('inner_step') }} as i on i.a * 10 = s.a;\n",
  "models/m.yml":
    "models: [{name: outer_step, columns: [{name: a, data_tests: [not_null, {relationships: {to: ref('inner_step'), field: a}}]}]}]",
  "tests/data/claim.sql": "select * from {{ ref('outer_step') }} where a > 1000",
};

describe("an ephemeral model", () => {
  test("is part of what reads it, and never built", async () => {
    const warehouse = await openWarehouse(createProject(FILES));
    const results = await warehouse.build();
    expect(results.map(({ node, status }) => [node.name, status])).toEqual([
      ["base", "success"],
      ["final", "success"],
    ]);
    expect((await warehouse.session.query("select * from main.final order by a")).rows).toEqual([
      [20, 2],
      [30, 3],
    ]);
    expect([...(await warehouse.engine.relations()).keys()].sort()).toEqual(["main.base", "main.final"]);
  });

  test("stands once before the query, after what it reads", () => {
    const sql = createProject(FILES).sql("final");
    expect([...sql.matchAll(/"(__dbt__cte__\w+)" as \(/g)].map(([, name]) => name)).toEqual([
      "__dbt__cte__inner_step",
      "__dbt__cte__outer_step",
    ]);
  });

  test("can be looked at by data tests", async () => {
    const warehouse = await openWarehouse(createProject(FILES));
    await warehouse.build();
    const results = await warehouse.check();
    expect(Object.fromEntries(results.map(({ node, status }) => [node.name, status]))).toEqual({
      claim: "pass",
      not_null_outer_step_a: "pass",
      relationships_outer_step_a__a__ref_inner_step_: "fail",
    });
  });

  test("makes its readers wait for, and fail with, what it reads", async () => {
    const warehouse = await openWarehouse(
      createProject({
        ...FILES,
        "models/base.sql": "{{ config(materialized='table') }}select cast('x' as integer) as a",
      }),
    );
    const results = await warehouse.build({ select: ["final"] });
    expect(results.map(({ node, status, reason }) => [node.name, status, reason])).toEqual([
      ["base", "error", null],
      ["final", "skipped", "base failed"],
    ]);
    const tests = (await warehouse.run()).filter(isTestResult);
    expect(new Set(tests.map(({ status, reason }) => `${status}: ${reason}`))).toEqual(
      new Set(["skipped: base failed"]),
    );
  });

  test("keeps its own lines in errors, and so does its reader", async () => {
    const project = createProject(FILES);
    const warehouse = await openWarehouse(project);
    await warehouse.build();
    project.write(
      "models/outer_step.sql",
      "{{ config(materialized='ephemeral') }}\nselect\n  nope\nfrom {{ ref('inner_step') }}",
    );
    const where = async () => (await warehouse.build({ select: ["final"] }))[0]?.error?.where;
    expect(await where()).toBe("models/outer_step.sql:3:3");
    const [claim] = await warehouse.check();
    expect(claim?.error?.where).toBe("models/outer_step.sql:3:3");
    project.write("models/outer_step.sql", FILES["models/outer_step.sql"]);
    project.write("models/final.sql", "select\n  nope\nfrom {{ ref('outer_step') }}");
    expect(await where()).toBe("models/final.sql:2:3");
    project.write("models/final.sql", "select a from {{ ref('outer_step') }} where");
    expect(await where()).toBe("models/final.sql:1:44");
  });

  test("has its mistakes said once", () => {
    const wrong = "{{ config(materialized='ephemeral') }}select '{{ var('x') }}' as a";
    expect(mistakesIn({ ...FILES, "models/inner_step.sql": wrong })).toMatchObject([
      { code: "VAR_MISSING", where: expect.stringContaining("models/inner_step.sql") },
    ]);
  });
});
