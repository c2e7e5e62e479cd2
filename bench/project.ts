import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** How wide the generated graph is: each model reads a model of the layer above it. */
const LAYER = 50;

/** Writes a project of `count` small table models, each with two tests, and no source. */
export function generateProject(folder: string, count: number): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "models"), { recursive: true });
  writeFileSync(join(folder, "project.yml"), "name: bench\nmodels:\n  bench:\n    +materialized: table\n");
  const output = "{type: duckdb, path: data/warehouse.duckdb, threads: 2}";
  writeFileSync(join(folder, "profiles.yml"), `bench:\n  target: dev\n  outputs:\n    dev: ${output}\n`);
  const names = Array.from({ length: count }, (_, index) => `model_${index}`);
  for (const [index, name] of names.entries()) {
    writeFileSync(join(folder, "models", `${name}.sql`), modelSql(index));
  }
  writeFileSync(join(folder, "models/schema.yml"), `models:\n${names.map(modelYaml).join("")}`);
}

function modelSql(index: number): string {
  if (index < LAYER)
    return `-- One row per number.\nselect\n    range as id,\n    ${index} as value\nfrom range(100)\n`;
  return [
    "-- One row per number of the model above.",
    `with above as (select * from {{ ref('model_${index - LAYER}') }})`,
    "select\n    id,\n    value + 1 as value\nfrom above\nwhere id >= 0\n",
  ].join("\n");
}

function modelYaml(name: string): string {
  const column =
    "      - name: id\n        description: The number.\n        data_tests: [unique, not_null]\n";
  return `  - name: ${name}\n    description: A small model.\n    columns:\n${column}`;
}
