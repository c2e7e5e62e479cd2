import type { Value } from "../../engines/engine.ts";
import type { Files } from "./folders.ts";

const LAYERS = 4;
const WIDTH = 10;
export const ROWS = 50;
const KINDS = ["table", "view", "incremental"] as const;

interface Built {
  name: string;
  kind: (typeof KINDS)[number];
}

/** 40 models over 4 layers. Every one has `ROWS` rows, and all rows say `version`, a variable of the run. */
export const FORTY: readonly Built[] = Array.from({ length: LAYERS * WIDTH }, (_, index) => ({
  name: `m${Math.floor(index / WIDTH)}_${index % WIDTH}`,
  kind: KINDS[index % KINDS.length] ?? "table",
}));

/** Models whose incremental insert can be made to fail half way, by the variable `bad`: a check refuses the row. */
export const CHECKED = FORTY.filter(({ kind }) => kind === "incremental").map(({ name }) => name);

export function fortyModels({ work = 0 }: { work?: number } = {}): Files {
  const models = FORTY.map(({ name, kind }, index): [string, string] => {
    const parent = index < WIDTH ? undefined : FORTY[index - WIDTH]?.name;
    return [`models/${name}.sql`, modelSql({ kind, parent, work })];
  });
  const columns =
    "[{name: id, data_type: bigint}, {name: version, data_type: integer}, {name: value, data_type: integer, constraints: [{type: check, expression: value < 1000}]}]";
  const checked = CHECKED.map(
    (name) => `  - name: ${name}\n    config: {contract: {enforced: true}}\n    columns: ${columns}\n`,
  );
  return {
    ...Object.fromEntries(models),
    "models/schema.yml": `models:\n${checked.join("")}`,
    "project.yml":
      "name: shop\nschema_names: exact\npublish: {select: '*', keep: 2}\nvars: {version: 0, bad: -1}\n",
  };
}

function modelSql({
  kind,
  parent,
  work,
}: {
  kind: string;
  parent: string | undefined;
  work: number;
}): string {
  const config =
    kind === "incremental"
      ? `materialized='incremental', unique_key='id', on_schema_change='fail'`
      : `materialized='${kind}'`;
  const from = parent === undefined ? `range(${ROWS}) as parent(id)` : `{{ ref('${parent}') }} as parent`;
  const value =
    kind === "incremental"
      ? "case when parent.id = {{ var('bad') }} then 1000 else parent.id end"
      : "parent.id";
  const slow = work === 0 ? "" : `\n    and (select sum(hash(range)) from range(${work})) is not null`;
  return [
    `{{ config(${config}) }}`,
    "select",
    "    parent.id,",
    "    cast({{ var('version') }} as integer) as version,",
    `    cast(${value} as integer) as value`,
    `from ${from}`,
    `where parent.id >= 0${slow}`,
    "order by parent.id",
  ].join("\n");
}

/** One row a model: name, rows, first and last version, checksum. */
export const STATE_SQL = `${FORTY.map(
  ({ name }) =>
    `select '${name}' as name, count(*) as n, min(version) as low, max(version) as high, cast(sum(id * 1000 + value) as bigint) as checksum from main.${name}`,
).join("\nunion all\n")}\norder by name`;

const CHECKSUM = String(
  Array.from({ length: ROWS }, (_, id) => id * 1001).reduce((sum, value) => sum + value, 0),
);

/** Tables that hold something else than one whole version. */
export function tornTables(state: readonly Value[][]): string[] {
  const torn = state.filter(
    ([, rows, low, high, checksum]) => Number(rows) !== ROWS || low !== high || String(checksum) !== CHECKSUM,
  );
  const missing = FORTY.length - state.length;
  return [
    ...torn.map((row) => `torn: ${JSON.stringify(row)}`),
    ...(missing === 0 ? [] : [`${missing} tables missing`]),
  ];
}

/** The versions that the tables hold, each once. */
export function versionsOf(state: readonly Value[][]): number[] {
  return [...new Set(state.map(([, , low]) => Number(low)))].sort((a, b) => a - b);
}
