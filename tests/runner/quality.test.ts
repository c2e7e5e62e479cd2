import { expect, test } from "vitest";
import { duckdbDialect } from "../../engines/duckdb-sql.ts";
import { measureQuality } from "../../runner/quality/quality.ts";
import { createProject, openWarehouse } from "./project.ts";

const VALUES =
  "select * from (values (1, 'a', timestamp '2020-01-01'), (2, 'b', null), (2, null, null), (null, 'c', null)) as t(id, name, seen_at)";

async function qualityOf(files: Record<string, string>) {
  const project = createProject(files);
  const warehouse = await openWarehouse(project);
  await warehouse.build();
  const results = await warehouse.check();
  const { graph } = project.scope();
  const quality = await measureQuality(project.ctx, warehouse.session, {
    dialect: duckdbDialect,
    graph,
    results,
  });
  return { quality, now: project.ctx.clock.now().getTime() };
}

test("tests and one look beside them give rows, missing and repeated values, and the age of a table", async () => {
  const { quality, now } = await qualityOf({
    "models/m.sql": `{{ config(materialized='table', event_time='seen_at') }}${VALUES}`,
    "models/m.yml":
      "models: [{name: m, columns: [{name: id, data_tests: [{not_null: {severity: warn}}, unique]}]}]",
  });
  expect(quality).toMatchObject([
    { name: "m", rows: 4, missing: { id: 0.25, name: 0.25, seen_at: 0.75 }, duplicates: { id: 1 - 2 / 3 } },
  ]);
  const age = (now - Date.parse("2020-01-01T00:00:00Z")) / 1000;
  expect(Math.abs((quality[0]?.ageSeconds ?? 0) - age)).toBeLessThan(3600);
});

test("a test of some rows says nothing of the table, and empty tables miss nothing", async () => {
  const { quality } = await qualityOf({
    "models/m.sql": `{{ config(materialized='table') }}${VALUES}`,
    "models/none.sql": "{{ config(materialized='table') }}select 1 as id limit 0",
    "models/m.yml": `models:
  - {name: m, columns: [{name: id, data_tests: [{not_null: {where: "name = 'a'"}}, {unique: {where: id < 2}}]}]}
  - {name: none, columns: [{name: id, data_tests: [not_null, unique]}]}`,
  });
  expect(quality).toMatchObject([
    { name: "m", missing: { id: 0.25 }, duplicates: {} },
    { name: "none", rows: 0, missing: { id: 0 }, duplicates: { id: 0 }, ageSeconds: null },
  ]);
});

test("views, and tables whose tests could not be run, are left out", async () => {
  const { quality } = await qualityOf({
    "models/v.sql": VALUES,
    "models/m.sql": `{{ config(materialized='table') }}${VALUES}`,
    "models/m.yml": `models:
  - {name: v, columns: [{name: id, data_tests: [not_null]}]}
  - {name: m, columns: [{name: nowhere, data_tests: [not_null]}]}`,
  });
  expect(quality).toEqual([]);
});
