import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Models that read one of the layer above them, one after the other, or all of them one source. */
export type Shape = "layers" | "chain" | "star";

/** How wide the layers are. */
const LAYER = 50;

/** Writes a project of `count` small table models, each with two tests, which dbt runs as it is. */
export function generateProject(folder: string, count: number, shape: Shape = "layers"): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "models"), { recursive: true });
  writeFileSync(
    join(folder, "dbt_project.yml"),
    "name: bench\nversion: '1.0.0'\nprofile: bench\nmodels:\n  bench:\n    +materialized: table\n",
  );
  const output = (file: string) => `{type: duckdb, path: data/${file}.duckdb, threads: 2}`;
  const outputs = `    dev: ${output("warehouse")}\n    dbt: ${output("dbt")}\n`;
  writeFileSync(join(folder, "profiles.yml"), `bench:\n  target: dev\n  outputs:\n${outputs}`);
  mkdirSync(join(folder, "data"));
  const names = Array.from({ length: count }, (_, index) => `model_${index}`);
  for (const [index, name] of names.entries()) {
    writeFileSync(join(folder, "models", `${name}.sql`), modelSql(index, shape));
  }
  const sources = "sources:\n  - name: raw\n    tables:\n      - name: numbers\n";
  writeFileSync(
    join(folder, "models/schema.yml"),
    `version: 2\n${shape === "star" ? sources : ""}models:\n${names.map(modelYaml).join("")}`,
  );
}

function modelSql(index: number, shape: Shape): string {
  const parent = index - (shape === "chain" ? 1 : LAYER);
  if (shape !== "star" && parent < 0)
    return `-- One row per number.\nselect\n    range as id,\n    ${index} as value\nfrom range(100)\n`;
  const above = shape === "star" ? "source('raw', 'numbers')" : `ref('model_${parent}')`;
  return [
    "-- One row per number of what is above.",
    `with above as (select * from {{ ${above} }})`,
    "select\n    id,\n    value + 1 as value\nfrom above\nwhere id >= 0\n",
  ].join("\n");
}

function modelYaml(name: string): string {
  const column =
    "      - name: id\n        description: The number.\n        data_tests: [unique, not_null]\n";
  return `  - name: ${name}\n    description: A small model.\n    columns:\n${column}`;
}
