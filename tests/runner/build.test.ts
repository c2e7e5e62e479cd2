import { describe, expect, test } from "vitest";
import type { NodeResult } from "../../runner/build/results.ts";
import { workItems } from "../../runner/build/work-items.ts";
import { modelsOf, testsOf } from "../../runner/graph/nodes.ts";
import { createProject, openWarehouse } from "./project.ts";

const statuses = (results: readonly NodeResult[]) =>
  Object.fromEntries(results.map(({ node, status, reason }) => [node.name, reason ?? status]));

const notNull = (model: string, config = "") =>
  `{name: ${model}, columns: [{name: a, data_tests: [{not_null: {name: ${model}_a${config}}}]}]}`;

/** a -> b -> c; d reads nothing. */
const CHAIN = {
  "models/a.sql": "select null::int as a",
  "models/b.sql": "select * from {{ ref('a') }}",
  "models/c.sql": "select * from {{ ref('b') }}",
  "models/d.sql": "select 1 as a",
};

describe("a build", () => {
  test("loads seeds, takes snapshots, builds models and tests each before what comes after it", async () => {
    const project = createProject({
      "seeds/s.csv": "a\n1\n",
      "snapshots/t.yml":
        "snapshots: [{name: t, relation: ref('s'), config: {unique_key: a, strategy: check, check_cols: all}, columns: [{name: a, data_tests: [{not_null: {name: t_a}}]}]}]",
      "models/m.sql": "select * from {{ ref('t') }}",
      "models/y.yml": `seeds: [${notNull("s")}]\nmodels: [${notNull("m")}]`,
    });
    const results = await (await openWarehouse(project)).run();
    const byEnd = project.log
      .filter(({ event }) => /^(seed|snapshot|model|test)_/.test(event))
      .map(({ message }) => message);
    expect(byEnd).toEqual(["loaded s", "passed s_a", "took t", "passed t_a", "built m", "passed m_a"]);
    expect(new Set(Object.values(statuses(results)))).toEqual(new Set(["success", "pass"]));
  });

  test("stops what depends on a failed test, and nothing else", async () => {
    const warehouse = await openWarehouse(
      createProject({
        ...CHAIN,
        "models/y.yml": `models: [${notNull("a")}, ${notNull("d")}, ${notNull("c")}]`,
      }),
    );
    expect(statuses(await warehouse.run())).toEqual({
      a: "success",
      a_a: "fail",
      b: "a_a failed",
      c: "a_a failed",
      c_a: "a_a failed",
      d: "success",
      d_a: "pass",
    });
  });

  test("goes on after a warning", async () => {
    const warehouse = await openWarehouse(
      createProject({ ...CHAIN, "models/y.yml": `models: [${notNull("a", ", severity: warn")}]` }),
    );
    expect(statuses(await warehouse.run())).toMatchObject({ a_a: "warn", b: "success", c: "success" });
  });

  test("stops after a test that could not run, also one of a source that is not there", async () => {
    const warehouse = await openWarehouse(
      createProject({
        ...CHAIN,
        "models/from_source.sql": "select * from {{ source('x', 't') }}",
        "models/y.yml": `models: [{name: a, columns: [{name: nope, data_tests: [{not_null: {name: broken}}]}]}]\nsources: [{name: x, tables: [${notNull("t")}]}]`,
      }),
    );
    expect(statuses(await warehouse.run())).toMatchObject({
      broken: "error",
      b: "broken failed",
      d: "success",
      t_a: "x.t does not exist",
      from_source: "t_a failed",
    });
  });

  test("orders what is joined by a node that is not run", async () => {
    const warehouse = await openWarehouse(createProject(CHAIN));
    await warehouse.run();
    await warehouse.session.run("create or replace view b as select 1 as a");
    const failing = createProject({ ...CHAIN, "models/a.sql": "select nope" });
    const other = await openWarehouse(failing);
    await other.session.run("create view b as select 1 as a");
    expect(statuses(await other.run({ select: ["a", "c"] }))).toEqual({ a: "error", c: "a failed" });
  });

  test("takes and loads what was never there before the models that read it", async () => {
    const warehouse = await openWarehouse(
      createProject({
        "seeds/s.csv": "a\n1\n",
        "snapshots/t.yml":
          "snapshots: [{name: t, relation: ref('s'), config: {unique_key: a, strategy: check, check_cols: all}}]",
        "models/m.sql": "select * from {{ ref('t') }}",
      }),
    );
    const names = async () =>
      (await warehouse.run({ select: ["m"] })).map(({ node, status }) => `${node.name} ${status}`).sort();
    expect(await names()).toEqual(["m success", "s success", "t success"]);
    expect(await names()).toEqual(["m success"]);
  });
});

describe("a test of several nodes", () => {
  /** left and right are read by both; only_left and only_right read one; below reads both. */
  const files = {
    "models/left.sql": "select 1 as a",
    "models/right.sql": "select 2 as a",
    "models/only_left.sql": "select * from {{ ref('left') }}",
    "models/only_right.sql": "select * from {{ ref('right') }}",
    "models/both.sql": "select l.a from {{ ref('left') }} as l, {{ ref('right') }} as r",
    "models/joined.sql": "select l.a from {{ ref('only_left') }} as l, {{ ref('only_right') }} as r",
    "models/below.sql": "select * from {{ ref('both') }}",
    "models/y.yml":
      "models: [{name: left, columns: [{name: a, data_tests: [{relationships: {name: claim, to: ref('right'), field: a}}]}]}]",
  };

  test("stops only what depends on all of them", async () => {
    expect(statuses(await (await openWarehouse(createProject(files))).run())).toEqual({
      claim: "fail",
      left: "success",
      right: "success",
      only_left: "success",
      only_right: "success",
      both: "claim failed",
      joined: "claim failed",
      below: "claim failed",
    });
  });

  test("is waited for through the nearest of their common descendants", () => {
    const { graph } = createProject(files).scope();
    const items = workItems(graph, [...modelsOf(graph), ...testsOf(graph)], 1);
    const waiting = [...items].filter(([, { after }]) => [...after].some((id) => id.startsWith("tests ")));
    expect(waiting.map(([id]) => id).sort()).toEqual(["model.shop.both", "model.shop.joined"]);
  });
});

describe("tests of the same nodes", () => {
  const files = {
    "models/m.sql": "select null::int as a",
    "models/n.sql": "select 1 as a",
    "models/y.yml":
      "models: [{name: m, columns: [{name: a, data_tests: [unique, not_null, {accepted_values: {values: [1]}}]}]}, {name: n, columns: [{name: a, data_tests: [unique]}]}]",
  };

  test("are one piece of work; spare threads share it", () => {
    const { graph } = createProject(files).scope();
    const sizes = (threads: number) =>
      [...workItems(graph, testsOf(graph), threads).values()].map(({ nodes }) => nodes.length).sort();
    expect(sizes(2)).toEqual([1, 3]);
    expect(sizes(4)).toEqual([1, 1, 2]);
  });
});

describe("--fail-fast", () => {
  test("starts nothing after the first failure, whatever kind it is of", async () => {
    const warehouse = await openWarehouse(
      createProject({
        ...CHAIN,
        "seeds/s.csv": "a\n1\n",
        "models/e.sql": "select * from {{ ref('d') }}",
        "models/y.yml": `models: [${notNull("a")}, ${notNull("c")}]`,
      }),
    );
    const results = statuses(await warehouse.run({ failFast: true }));
    expect(results).toMatchObject({
      a_a: "fail",
      c: "a_a failed (--fail-fast)",
      c_a: "a_a failed (--fail-fast)",
    });
    const failed = statuses(await warehouse.check({ failFast: true }));
    expect(failed).toMatchObject({ a_a: "fail" });
  });
});
