import { describe, expect, test } from "vitest";
import { runInOrder } from "../../runner/build/execute.ts";
import { createProject, openWarehouse } from "./project.ts";

const outcomes = (results: { node: { name: string }; status: string }[]) =>
  Object.fromEntries(results.map(({ node, status }) => [node.name, status]));

/** bad -> child -> grandchild; good -> both <- child. */
const FAMILY = {
  "models/good.sql": "{{ config(materialized='table') }} select 1 as a union all select 2",
  "models/bad.sql": "{{ config(materialized='table') }}\nselect cast('x' as integer) as a",
  "models/child.sql": "select * from {{ ref('bad') }}",
  "models/grandchild.sql": "select * from {{ ref('child') }}",
  "models/both.sql": "select * from {{ ref('good') }}, {{ ref('child') }}",
  "models/sibling.sql": "select * from {{ ref('good') }}",
};

describe("building", () => {
  test("makes tables and views, parents first", async () => {
    const warehouse = await openWarehouse(
      createProject({
        "models/a.sql": "select b + 1 as a from {{ ref('b') }}",
        "models/b.sql": "{{ config(materialized='table', schema='raw') }} select 1 as b union all select 2",
      }),
    );
    const results = await warehouse.build();
    expect(results.map(({ node, status, rows }) => [node.name, status, rows])).toEqual([
      ["a", "success", null],
      ["b", "success", 2],
    ]);
    expect((await warehouse.session.query("select a from main.a order by a")).rows).toEqual([[2], [3]]);
    expect(await warehouse.engine.relations()).toEqual(
      new Map([
        ["main.a", "view"],
        ["raw.b", "table"],
      ]),
    );
  });

  test("skips the descendants of a failed model and nothing else", async () => {
    const results = await (await openWarehouse(createProject(FAMILY))).build();
    expect(outcomes(results)).toEqual({
      bad: "error",
      both: "skipped",
      child: "skipped",
      good: "success",
      grandchild: "skipped",
      sibling: "success",
    });
    expect(results.find(({ node }) => node.name === "grandchild")?.reason).toBe("bad failed");
  });

  test("points at the author's line of the SQL that fails", async () => {
    const results = await (await openWarehouse(createProject(FAMILY))).build({ select: ["bad"] });
    expect(results[0]?.error).toMatchObject({
      code: "MODEL_SQL",
      where: "models/bad.sql:2:8",
      message: expect.stringContaining("Conversion Error"),
      hint: expect.stringContaining("target/compiled/"),
    });
  });

  test.each([
    [
      "deep inside a long model",
      `${"-- é 日本 😀\n".repeat(200)}select\n  1 as a,\n  nope\nfrom (select 1 as x) as t`,
      "203:3",
    ],
    [
      "behind calls",
      "from {{ ref('good') }} as g\njoin {{ ref(\n  'good'\n) }} as h on h.nope = g.a",
      "4:14",
    ],
    [
      "behind blocks",
      "select\n{{#each (list 'a' 'a')}}\n  {{this}} as {{this}}_x,\n{{/each}}\n  nope\nfrom {{ ref('good') }}",
      "5:3",
    ],
    ["in a value of a block", "select\n  {{#if true}}\n    nope\n  {{/if}}\nfrom {{ ref('good') }}", "3:5"],
    ["at a missing word", "select 1 as a\nfrom {{ ref('good') }}\nwhere\n", "3:6"],
    ["in a second statement", "select 1;\nselect 2", "1:9"],
    ["after Windows line ends", "select\r\n  1 as a,\r\n  nope\r\nfrom {{ ref('good') }}", "3:3"],
  ])("points at the author's line %s", async (_, sql, place) => {
    const warehouse = await openWarehouse(
      createProject({ "models/good.sql": "select 1 as a", "models/m.sql": sql }),
    );
    const results = await warehouse.build();
    expect(results.find(({ node }) => node.name === "m")?.error?.where).toBe(`models/m.sql:${place}`);
  });

  test("says how to get a table that is not there", async () => {
    const warehouse = await openWarehouse(
      createProject({
        "models/m.sql": "select *\nfrom {{ source('api', 't') }}",
        "models/s.yml": "sources: [{name: api, tables: [{name: t}]}]",
      }),
    );
    const [result] = await warehouse.build();
    expect(result?.error).toMatchObject({
      where: "models/m.sql:2:6",
      hint: expect.stringContaining("run ingest"),
    });
  });

  test("builds parents first that were never built, and those of theirs", async () => {
    const warehouse = await openWarehouse(
      createProject({
        "models/a.sql": "select 1 as a",
        "models/b.sql": "select * from {{ ref('a') }}",
        "models/c.sql": "select * from {{ ref('b') }}",
        "models/d.sql": "select * from {{ ref('b') }}",
      }),
    );
    expect(Object.keys(outcomes(await warehouse.build({ select: ["c"] })))).toEqual(["a", "b", "c"]);
    expect(Object.keys(outcomes(await warehouse.build({ select: ["d"] })))).toEqual(["d"]);
  });

  test("builds the selection alone when asked to", async () => {
    const warehouse = await openWarehouse(createProject(FAMILY));
    const results = await warehouse.build({ select: ["sibling"], onlySelected: true });
    expect(outcomes(results)).toEqual({ sibling: "error" });
  });

  test("turns a view into a table when its configuration changes", async () => {
    const project = createProject({
      "models/m.sql": "select 1 as a",
      "models/n.sql": "select * from {{ ref('m') }}",
    });
    const first = await openWarehouse(project);
    await first.build();
    first.engine.close();
    const { model } = createProject({ "models/m.sql": "{{ config(materialized='table') }}select 2 as a" });
    const again = await openWarehouse(project);
    await again.session.replaceTable(
      model("m").relation,
      model("m").template.render({ helpers: { config: () => "" }, values: {} }).text,
    );
    expect((await again.session.query("select a from main.n")).rows).toEqual([[2]]);
  });

  test("keeps the table of a model that fails", async () => {
    const warehouse = await openWarehouse(
      createProject({
        "models/m.sql": "{{ config(materialized='table') }}select cast(x as integer) as a from main.input",
      }),
    );
    await warehouse.session.run("create table main.input as select '1' as x");
    await warehouse.build();
    await warehouse.session.run("update main.input set x = 'one'");
    expect(outcomes(await warehouse.build())).toEqual({ m: "error" });
    expect((await warehouse.session.query("select a from main.m")).rows).toEqual([[1]]);
  });

  test("skips what has not begun when the run is stopped", async () => {
    const abort = new AbortController();
    const endless =
      "select count(*) as n from range(1000000) as a(x), range(1000000) as b(y) where x * y % 7 = 3";
    const project = createProject(
      {
        "models/a.sql": `{{ config(materialized='table') }}${endless}`,
        "models/b.sql": "select * from {{ ref('a') }}",
      },
      { signal: abort.signal },
    );
    const warehouse = await openWarehouse(project);
    const building = warehouse.build();
    setTimeout(() => abort.abort(new Error("stopped")), 100);
    const results = await building;
    expect(results.map(({ status, reason }) => [status, reason])).toEqual([
      ["skipped", "the run was interrupted"],
      ["skipped", expect.stringMatching(/interrupted|a failed/)],
    ]);
  });
});

describe("work in order", () => {
  test("never starts a node before its parents, nor more than the limit at once", async () => {
    const parents: Record<string, string[]> = {
      a: [],
      b: ["a"],
      c: ["a"],
      d: ["b", "c"],
      e: [],
      f: ["d", "elsewhere"],
    };
    const done = new Set<string>();
    let running = 0;
    let most = 0;
    await runInOrder(["f", "e", "d", "c", "b", "a"], {
      dependencies: (id) => parents[id] ?? [],
      limit: 2,
      work: async (id) => {
        most = Math.max(most, ++running);
        expect((parents[id] ?? []).every((parent) => done.has(parent) || parent === "elsewhere")).toBe(true);
        await Promise.resolve();
        running--;
        done.add(id);
      },
    });
    expect([most, done.size]).toEqual([2, 6]);
  });

  test("runs through a chain of 5,000 and past one parent of 5,000", async () => {
    const ids = Array.from({ length: 5000 }, (_, index) => index);
    const order: string[] = [];
    const work = async (id: string) => void order.push(id);
    await runInOrder(ids.map((id) => `c${id}`).reverse(), {
      dependencies: (id) => [`c${Number(id.slice(1)) - 1}`],
      limit: 4,
      work,
    });
    expect(order).toEqual(ids.map((id) => `c${id}`));
    await runInOrder(["root", ...ids.map(String)], {
      dependencies: (id) => (id === "root" ? [] : ["root"]),
      limit: 4,
      work,
    });
    expect(order).toHaveLength(10_001);
  });

  test("fails with what the work throws", async () => {
    const work = async () => Promise.reject(new Error("a bug"));
    await expect(runInOrder(["a"], { dependencies: () => [], limit: 1, work })).rejects.toThrow("a bug");
  });
});
