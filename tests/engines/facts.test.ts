import { afterAll, beforeAll, expect, test } from "vitest";
import { createContext } from "../../core/context.ts";
import { openDuckdb } from "../../engines/duckdb.ts";
import type { Engine } from "../../engines/engine.ts";

let engine: Engine;

beforeAll(async () => {
  const ctx = createContext({ projectDir: process.cwd(), env: {}, sink: () => {} });
  engine = await openDuckdb(ctx, {
    type: "duckdb",
    path: ":memory:",
    schema: "main",
    threads: 1,
    settings: {},
  });
});
afterAll(() => engine.close());

test.each([
  ["select now()", "uses now()"],
  ["select CURRENT_DATE", "uses CURRENT_DATE"],
  ["select a from t where b < current_timestamp", "uses current_timestamp"],
  ["select localtime", "uses localtime"],
  ["select today()", "uses today()"],
  ["select ago(interval 1 day)", "uses ago()"],
  ["select random()", "uses random()"],
  ["select uuid()", "uses uuid()"],
  ["select gen_random_uuid()", "uses gen_random_uuid()"],
  ["select nextval('s')", "uses nextval()"],
  ["select getvariable('x')", "uses getvariable()"],
  ["select current_setting('threads')", "uses current_setting()"],
  ["select sum(random()) over () from t", "uses random()"],
  ["select a from t where b in (select uuid() from u)", "uses uuid()"],
  ["with x as (select now() as a) select a from x", "uses now()"],
  ["select my_macro(a) from t", "uses my_macro(), which is not a function of the engine"],
  ["select other.abs(a) from t", "uses abs(), which is not a function of the engine"],
  ["from t using sample 5", "takes a sample"],
  ["select * from t tablesample 10%", "takes a sample"],
  ["from read_csv('a.csv')", "reads read_csv()"],
  ["from query('select 1')", "reads query()"],
  ["from duckdb_tables()", "reads duckdb_tables()"],
  ["from (describe t)", "describes a relation"],
  ["pivot t on a using sum(b)", "is a statement that the engine cannot describe"],
  ["select from where", "is a statement that the engine cannot describe"],
])("%s is unstable", async (query, why) => {
  const [facts] = await engine.factsOf([query]);
  expect(facts?.unstable).toBe(why);
});

test.each([
  "select lag(a) over (order by b), rank() over (), sum(a) over () from t",
  "select extract(isodow from a), a::json->>'x', a || b, a % 2, -a, not b, a[1], a is distinct from b from t",
  "select case a when 1 then 2 end, coalesce(a, b), a in (1, 2), a like 'x%', a between 1 and 2 from t",
  "select list(a order by b), count(*), count(distinct a) filter (where b), arg_max(a, b), any_value(a) from t",
  "select {'a': 1}, [x + 1 for x in l], list_transform(l, lambda x: x + 1), map {'a': 1} from t",
  "select t.current_date, user from t",
  "select unnest([1, 2]), unnest(a) from t",
  "from range(3), generate_series(1, 2), unnest([1, 2])",
  "select * from t union by name select * from u order by all limit 5",
  "select date_trunc('day', a), datediff('day', a, b), a at time zone 'UTC', strftime(a, '%Y'), md5(a) from t",
  "values (1), (2)",
])("%s is stable", async (query) => {
  const [facts] = await engine.factsOf([query]);
  expect(facts?.unstable).toBeNull();
});

test("names the relations of a query, and not its CTEs", async () => {
  const queries = [
    'select * from "marts"."a" join b.c.d using (id)',
    "with x as (select * from s.y) select * from X where id in (select id from z)",
    "with x as (select * from x) select * from x",
    "select * from (with x as (select 1) from x) join x on true",
    "with recursive r as (select 1 as n union all select n + 1 from r where n < 3) from r",
    "from 'a.csv'",
  ];
  const facts = await engine.factsOf(queries);
  expect(facts.map(({ relations }) => relations)).toEqual([
    [
      { schema: "marts", name: "a" },
      { database: "b", schema: "c", name: "d" },
    ],
    [{ schema: "s", name: "y" }, { name: "z" }],
    [{ name: "x" }],
    [{ name: "x" }],
    [],
    [{ name: "a.csv" }],
  ]);
});

test("the hash is that of the query, not of its comments and spacing", async () => {
  const facts = await engine.factsOf([
    "select a, 'x y' from t",
    "-- a comment\nSELECT   a,\n  'x y' /* another */ FROM t",
    "select a, 'x  y' from t",
    "select b, 'x y' from t",
    "select a, 'x y' from u",
  ]);
  const [first, same, ...others] = facts.map(({ hash }) => hash);
  expect(same).toBe(first);
  expect(new Set([first, ...others]).size).toBe(4);
});
