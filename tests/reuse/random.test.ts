import { expect, test } from "vitest";
import { createRandom, type Random } from "../../moovitamix/world/random.ts";
import { createReuseProject, type Project } from "./project.ts";

const PROJECT = {
  "project.yml": "name: shop\nschema_names: exact\nvars: {shift: 0}\n",
  "profiles.yml":
    "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: data/w.duckdb, schema: dev, threads: 2}\n",
  "models/sources.yml": "sources: [{name: raw, schema: raw_shop, tables: [{name: orders}]}]\n",
  "seeds/s.csv": "id\n1\n2\n",
};
const NAMES = ["a", "b", "c", "d", "e"];

const LOADED = [
  "create schema raw_shop",
  "create table raw_shop.orders as select range as id from range(5)",
  `create table raw_shop._loads as select 1 as load_id, 'orders' as stream, 'full' as mode, 'ok' as outcome, 5 as "new", 0 as changed, 0 as deleted`,
  "create table raw_shop._quarantine as select 1 as load_id",
];

/** A model that reads some of those before it, and the source or the seed when it is the first. */
function modelSql(random: Random, place: number): string {
  const parents = NAMES.slice(0, place).filter(() => random.chance(0.5));
  const reads =
    parents.length > 0 ? parents.map((name) => `ref('${name}')`) : ["ref('s')", "source('raw', 'orders')"];
  const union = reads.map((read) => `select id from {{ ${read} }}`).join(" union all ");
  const kind = random.pick(["table", "table", "view", "ephemeral"]);
  const shift = random.chance(0.3) ? " + {{ var('shift') }}" : "";
  return `{{ config(materialized='${kind}') }}select id + ${random.integer(0, 9)}${shift} as id from (${union}) as u`;
}

type Edit = (project: Project, random: Random) => unknown;

const EDITS: Record<string, Edit> = {
  "another model": ({ write }, random) => {
    const place = random.integer(0, NAMES.length - 1);
    write({ [`models/${NAMES[place]}.sql`]: modelSql(random, place) });
  },
  "a model that fails, and is put right": async (project, random) => {
    const place = random.integer(0, NAMES.length - 1);
    project.write({
      [`models/${NAMES[place]}.sql`]: "{{ config(materialized='table') }}select 1 as id from nowhere",
    });
    await project.results();
    project.write({ [`models/${NAMES[place]}.sql`]: modelSql(random, place) });
  },
  "a variable": ({ write }, random) =>
    write({ "project.yml": PROJECT["project.yml"].replace("shift: 0", `shift: ${random.integer(0, 3)}`) }),
  "a seed": ({ write }, random) => write({ "seeds/s.csv": `id\n${random.integer(1, 50)}\n2\n` }),
  "a load": async ({ own, rows }, random) => {
    const id = Number((await rows("select max(load_id) + 1 from raw_shop._loads"))[0]?.[0]);
    await own(
      `insert into raw_shop.orders values (${random.integer(10, 99)})`,
      `insert into raw_shop._loads values (${id}, 'orders', 'full', 'ok', 1, 0, 0)`,
    );
  },
  "a table that is gone": async ({ own }, random) =>
    own(
      `drop table if exists dev.s`,
      `create or replace table dev.x as select ${random.integer(1, 9)} as id`,
    ),
  "a row changed by hand": async ({ outside }) =>
    outside("create table if not exists dev.s as select 1 as id", "update dev.s set id = id + 1000"),
  "a part of the project": (project, random) => project.results({ select: [`${random.pick(NAMES)}+`] }),
  "one model": (project, random) => project.results({ select: [random.pick(NAMES)], which: "run" }),
};

async function tables({ rows }: Project): Promise<unknown> {
  const found = await rows(
    "select table_name from information_schema.tables where table_schema = 'dev' and table_name <> 'x' order by 1",
  );
  const contents: Record<string, unknown> = {};
  for (const [name] of found) contents[String(name)] = await rows(`select id from dev."${name}" order by id`);
  return contents;
}

test.each(Array.from({ length: 30 }, (_, index) => index))(
  "reuse gives what a build from nothing does, whatever was edited (%i)",
  async (seed) => {
    const random = createRandom(`reuse ${seed}`);
    const project = createReuseProject(PROJECT);
    for (const [place, name] of NAMES.entries())
      project.write({ [`models/${name}.sql`]: modelSql(random, place) });
    await project.own(...LOADED);
    await project.results();
    const story: string[] = [];
    for (let step = 0; step < 4; step++) {
      const edit = random.pick(Object.keys(EDITS));
      story.push(edit);
      await EDITS[edit]?.(project, random);
    }
    const results = await project.results();
    expect(
      results.every(({ status }) => status === "success" || status === "reused"),
      story.join(", "),
    ).toBe(true);
    const reused = await tables(project);
    await project.results({ fullRefresh: true });
    expect(reused, story.join(", ")).toEqual(await tables(project));
    expect(await project.ran(), story.join(", ")).toEqual({});
  },
  60_000,
);
