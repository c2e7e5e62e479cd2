import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openDuckdbReadOnly } from "../../engines/duckdb.ts";
import { modelsOf } from "../../runner/graph/nodes.ts";
import { latestRelease, publishRelease } from "../../runner/publish.ts";
import { createProject, openWarehouse } from "./project.ts";

async function publisher() {
  const project = createProject({
    "models/t.sql": "{{ config(materialized='table', schema='marts') }}select 1 as a",
    "models/v.sql": "{{ config(schema='marts') }}select a + 1 as a from {{ ref('t') }}",
  });
  const warehouse = await openWarehouse(project);
  const folder = join(project.ctx.projectDir, "data/published");
  const models = modelsOf(project.scope().graph);
  let now = Date.UTC(2026, 0, 1);
  const clock = {
    ...project.ctx.clock,
    now: () => {
      now += 1000;
      return new Date(now);
    },
  };
  const publish = (keep = 5) =>
    publishRelease({ ...project.ctx, clock }, warehouse.engine, { folder, models, keep });
  const latest = async (sql: string) => {
    const engine = await openDuckdbReadOnly(project.ctx, latestRelease(folder));
    onTestFinished(() => engine.close());
    return (await (await engine.openSession()).query(sql)).rows;
  };
  return { warehouse, folder, publish, latest };
}

test("readers find tables and views of the models as tables in the latest release", async () => {
  const { warehouse, publish, latest } = await publisher();
  await warehouse.build();
  expect((await publish()).tables).toEqual(["marts.t", "marts.v"]);
  expect(await latest("select a from marts.v")).toEqual([[2]]);
});

test("a reader that has a release open goes on with it", async () => {
  const { warehouse, publish, latest } = await publisher();
  await warehouse.build();
  await publish();
  const before = await latest("select a from marts.t");
  await warehouse.session.replaceTable({ schema: "marts", name: "t" }, "select 7 as a");
  await publish();
  expect([before, await latest("select a from marts.t")]).toEqual([[[1]], [[7]]]);
});

test("the last releases stay and older ones go, with what a crash left", async () => {
  const { warehouse, folder, publish } = await publisher();
  await warehouse.build();
  const { file } = await publish(2);
  writeFileSync(join(folder, "20260101T000000000Z.duckdb.tmp"), "half");
  writeFileSync(join(folder, "notes.txt"), "mine");
  await publish(2);
  const third = await publish(2);
  expect(third.removed).toEqual([file.split("/").at(-1)]);
  expect(readdirSync(folder).sort()).toEqual([
    "20260101T000002000Z.duckdb",
    "20260101T000003000Z.duckdb",
    "latest.duckdb",
    "notes.txt",
  ]);
});

test("what was never built is not published, and readers keep what they have", async () => {
  const { warehouse, folder, publish } = await publisher();
  await warehouse.build({ select: ["t"] });
  await expect(publish()).rejects.toMatchObject({
    code: "PUBLISH_NOT_BUILT",
    why: ["v"],
    hint: "build them first: run models",
  });
  expect(existsSync(latestRelease(folder))).toBe(false);
});
