import { describe, expect, test } from "vitest";
import { createProject, mistakesIn, openWarehouse, type TestProject } from "./project.ts";

async function load(project: TestProject) {
  const warehouse = await openWarehouse(project);
  return { ...warehouse, results: await warehouse.run({ kinds: ["seed"] }) };
}

const FILES = {
  "seeds/codes.csv": 'zip,amount,day,name\n01234,1,2026-01-02,"a, b"\n99999,2.5,2026-01-03,\n',
};

describe("a seed", () => {
  test("becomes a table whose codes keep their zeros", async () => {
    const { session, results } = await load(createProject(FILES));
    expect(results).toMatchObject([{ status: "success", rows: 2 }]);
    const rows = await session.query("from codes order by zip");
    expect(rows.types).toEqual(["VARCHAR", "DOUBLE", "DATE", "VARCHAR"]);
    expect(rows.rows[0]).toEqual(["01234", 1, "2026-01-02", "a, b"]);
    expect(rows.rows[1]?.[3]).toBe(null);
  });

  test("takes types, schema and delimiter from project.yml and YAML", async () => {
    const project = createProject({
      "project.yml":
        "name: shop\nseeds:\n  shop:\n    +schema: raw\n    codes:\n      +column_types: {amount: 'decimal(9,2)'}\n",
      "seeds/codes.csv": "zip;amount\n7;1\n",
      "models/s.yml": "seeds: [{name: codes, config: {delimiter: ';', column_types: {ZIP: varchar}}}]",
    });
    const { session } = await load(project);
    expect((await session.query("from main_raw.codes")).types).toEqual(["VARCHAR", "DECIMAL(9,2)"]);
  });

  test("has whole numbers as INTEGER like dbt, or as BIGINT where one is larger", async () => {
    const project = createProject({
      "seeds/codes.csv": "small,large,part,code\n-2147483648,1,1.5,01\n2147483647,2147483648,2,2\n,,,\n",
    });
    const { session } = await load(project);
    const { types, rows } = await session.query("from main.codes");
    expect(types).toEqual(["INTEGER", "BIGINT", "DOUBLE", "VARCHAR"]);
    expect(rows[1]?.map(String)).toEqual(["2147483647", "2147483648", "2", "2"]);
  });

  test("can be read by models and tested", async () => {
    const project = createProject({
      ...FILES,
      "models/m.sql": "select * from {{ ref('codes') }}",
      "models/m.yml":
        "seeds: [{name: codes, columns: [{name: zip, data_tests: [unique]}, {name: name, data_tests: [not_null]}]}]",
    });
    const { run, check } = await openWarehouse(project);
    const build = async () => (await run({ kinds: ["model"] })).map(({ node, status }) => [node.id, status]);
    expect(await build()).toEqual([
      ["seed.shop.codes", "success"],
      ["model.shop.m", "success"],
    ]);
    expect(await build()).toEqual([["model.shop.m", "success"]]);
    const results = await check();
    expect(results.map(({ node, status }) => [node.name, status])).toEqual([
      ["unique_codes_zip", "pass"],
      ["not_null_codes_name", "fail"],
    ]);
  });

  test("that cannot be cast names row, column and value, and leaves the former table", async () => {
    const project = createProject({
      "seeds/codes.csv": "id\n1\nx\n",
      "models/s.yml": "seeds: [{name: codes, config: {column_types: {id: integer}}}]",
    });
    const { run, session } = await openWarehouse(project);
    await session.run("create table codes as select 7 as id");
    const [result] = await run({ kinds: ["seed"] });
    expect(result?.error).toMatchObject({
      code: "SEED_VALUE",
      message: '"id" has "x", which is not of type integer',
      where: "seeds/codes.csv:3",
      hint: 'correct the value, or give "id" another type under column_types',
    });
    expect((await session.query("from codes")).rows).toEqual([[7]]);
  });

  test("whose column_types name no column says which there are", async () => {
    const { results } = await load(
      createProject({
        "seeds/codes.csv": "id,name\n1,a\n",
        "models/s.yml": "seeds: [{name: codes, config: {column_types: {nam: text}}}]",
      }),
    );
    expect(results[0]?.error).toMatchObject({
      code: "SEED_COLUMN_UNKNOWN",
      why: ["nearest names: name"],
      hint: "its columns are: id, name",
    });
  });

  test("with lines of different lengths is an error that says where", async () => {
    const { results } = await load(createProject({ "seeds/codes.csv": "id,name\n1,a\n2\n3,c,d\n" }));
    expect(results[0]?.error).toMatchObject({ code: "SEED_CSV", where: "seeds/codes.csv:3" });
    expect(results[0]?.error).toMatchObject({
      message: "the line has 1 field, and the header has 2",
      why: ["the line: 2"],
      hint: "correct the file, or its delimiter and column_types",
    });
  });

  test("with a quote that does not end is an error that says so", async () => {
    const { results } = await load(createProject({ "seeds/codes.csv": 'id,name\n1,"a\n2,b\n' }));
    expect(results[0]?.error).toMatchObject({ code: "SEED_CSV", where: "seeds/codes.csv:2" });
    expect(results[0]?.error?.message).toBe("a quoted value does not end, or has something after its quote");
  });
});

test.each([
  ["id;name\n1;a\n", ",", ";"],
  ["id\tname\n1\ta\n", ",", "\t"],
  ["id,name\n1,a\n", ";", ","],
])("the seed %j is not read with the delimiter %j as one column", (csv, delimiter, other) => {
  const [mistake] = mistakesIn({
    "seeds/codes.csv": csv,
    "models/s.yml": `seeds: [{name: codes, config: {delimiter: "${delimiter}"}}]`,
  });
  expect(mistake).toMatchObject({
    code: "SEED_HEADER",
    where: "seeds/codes.csv:1:1",
    message: `the lines of the seed are parted by ${JSON.stringify(other)}, and its delimiter is ${JSON.stringify(delimiter)}`,
    hint: `give the seed its delimiter under config: delimiter: ${JSON.stringify(other)}`,
  });
});

test("a seed of one column may hold commas and semicolons", () => {
  const csv = "note\nfirst; then\nlast\n";
  expect(mistakesIn({ "seeds/codes.csv": csv })).toEqual([]);
});

test.each([
  [
    "id,v,v\n1,2,3\n",
    ",",
    "1:6",
    'two columns of the seed are named "v"',
    "the other one: seeds/codes.csv:1:4",
  ],
  [
    "id;v;V\n",
    ";",
    "1:6",
    'two columns of the seed are named "v" and "V", which are one name in SQL',
    "the other one: seeds/codes.csv:1:4",
  ],
  ['id,"a ""\n,b",\r\n', ",", "2:5", "column 3 of the seed has no name", undefined],
  ["\nid,v\n", ",", "1:1", "column 1 of the seed has no name", undefined],
])("the header %j is a mistake of the project", (csv, delimiter, place, message, why) => {
  const [mistake] = mistakesIn({
    "seeds/codes.csv": csv,
    "models/s.yml": `seeds: [{name: codes, config: {delimiter: "${delimiter}"}}]`,
  });
  expect(mistake).toMatchObject({ code: "SEED_HEADER", where: `seeds/codes.csv:${place}`, message });
  expect(mistake?.why[0]).toBe(why);
  expect(mistake?.hint).toBe(
    why === undefined ? "write its name in the header, or take the column away" : "rename one of them",
  );
});

test("mistakes about seeds have a place", () => {
  const mistakes = mistakesIn({
    "seeds/empty.csv": "",
    "seeds/codes.csv": "id\n1\n",
    "models/codes.sql": "select 1 as id",
    "models/s.yml":
      "seeds:\n  - name: code\n  - name: codes\n  - name: codes\n    config: {colunm_types: {}}\n",
  });
  expect(mistakes.map(({ code, where }) => [code, where])).toEqual([
    ["YAML_SCHEMA", "models/s.yml:5:14"],
    ["SEED_DESCRIBED_TWICE", "models/s.yml:4:11"],
    ["SEED_EMPTY", "seeds/empty.csv:1:1"],
    ["SEED_MISSING", "models/s.yml:2:11"],
    ["MODEL_DUPLICATE", "seeds/codes.csv:1:1"],
  ]);
});
