import { describe, expect, test } from "vitest";
import { createProject, mistakesIn } from "./project.ts";

describe("a cycle", () => {
  test("is reported as the path that leads back, at the ref that closes it", () => {
    const found = mistakesIn({
      "models/a.sql": "select 1\nfrom {{ ref('b') }}",
      "models/b.sql": "from {{ ref('c') }}",
      "models/c.sql": "from {{ ref('d') }}, {{ ref('a') }}",
      "models/d.sql": "select 1",
    });
    expect(found).toMatchObject([
      {
        code: "GRAPH_CYCLE",
        where: "models/a.sql:2:9",
        why: ["a -> b -> c -> a"],
        hint: "remove one of these refs",
      },
    ]);
  });

  test("is reported beside another one", () => {
    const found = mistakesIn({
      "models/a.sql": "from {{ ref('b') }}",
      "models/b.sql": "from {{ ref('a') }}",
      "models/c.sql": "from {{ ref('d') }}, {{ ref('a') }}",
      "models/d.sql": "from {{ ref('c') }}",
    });
    expect(found.map(({ why }) => why)).toEqual([["a -> b -> a"], ["c -> d -> c"]]);
  });
});

test("a chain of 5,000 models is read and rendered", { timeout: 180_000 }, () => {
  const chain = (length: number) =>
    Object.fromEntries(
      Array.from({ length }, (_, index) => [
        `models/m${index}.sql`,
        index === 0 ? "select 1" : `select * from {{ ref('m${index - 1}') }}`,
      ]),
    );
  const quickest = (length: number) => {
    const project = createProject(chain(length));
    const times = Array.from({ length: 2 }, () => {
      const start = performance.now();
      expect(project.scope().graph.nodes.size).toBe(length);
      return performance.now() - start;
    });
    return Math.min(...times);
  };
  const [small, large] = [quickest(1000), quickest(5000)];
  // Five times the models take about five times as long, and twenty-five times if each looked at all others.
  expect(large / small).toBeLessThan(15);
});

test("a chain of 5,000 models that leads back to its start is a cycle", () => {
  const files = Object.fromEntries(
    Array.from({ length: 5000 }, (_, index) => [
      `models/m${index}.sql`,
      `select * from {{ ref('m${(index + 1) % 5000}') }}`,
    ]),
  );
  const [error] = mistakesIn(files);
  expect(error?.why[0]).toMatch(/^m0 -> m1 -> .* -> … 4981 more … -> m4999 -> m0$/);
});

test("a source with 2,000 children is read and rendered", () => {
  const children = Array.from({ length: 2000 }, (_, index) => [
    `models/m${index}.sql`,
    "select * from {{ source('shop', 'orders') }}",
  ]);
  const project = createProject({
    "models/sources.yml": "sources: [{name: shop, tables: [{name: orders}]}]\n",
    ...Object.fromEntries(children),
  });
  const { graph } = project.scope();
  expect(graph.children.get("source.shop.shop.orders")).toHaveLength(2000);
  expect(project.sql("m1999")).toBe('select * from "shop"."orders"');
});
