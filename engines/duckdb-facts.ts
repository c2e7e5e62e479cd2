import { hash } from "node:crypto";
import type { QueryFacts, Rows, Value } from "./engine.ts";

type Query = (sql: string, values?: readonly Value[]) => Promise<Rows>;
type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Tree = { [key: string]: Json };

/** Depend on nothing but their arguments. The others read files, the catalog or settings. */
const TABLE_FUNCTIONS = new Set([
  ...["range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree"],
]);
/** DuckDB calls them stable, but settings, variables or chance decide what they return. */
const UNSTABLE_FUNCTIONS = new Set(["getvariable", "current_setting", "getenv", "reservoir_quantile"]);
/** Known to DuckDB's binder alone, and stable. */
const BINDER_FUNCTIONS = new Set(["unnest", "unlist"]);
/** Written without parentheses they look like columns. */
const TIME_WORDS = new Set([
  ...["current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"],
]);
const BUILT_IN_SCHEMAS = new Set(["", "main", "pg_catalog", "system"]);

/** All functions and whether every one of that name gives the same result for the same arguments. */
const FUNCTIONS = `select lower(function_name), bool_and(internal and case
    when function_type = 'macro'
    then not regexp_matches(lower(macro_definition), 'current_|now\\(|random|uuid|select|currval|nextval|getvariable')
    else coalesce(stability = 'CONSISTENT', false)
  end)
from duckdb_functions()
where function_type in ('scalar', 'aggregate', 'macro')
group by 1
order by 1`;

/** Parsed by DuckDB, all in one statement; what its serializer does not know counts as unstable. */
export async function readFacts(queries: readonly string[], query: Query): Promise<QueryFacts[]> {
  if (queries.length === 0) return [];
  const known = await query(FUNCTIONS);
  const functions = new Map(known.rows.map(([name, isStable]) => [String(name), isStable === true]));
  const trees = await query(
    `select json_serialize_sql(query, skip_default := true, skip_null := true, skip_empty := true)
from (select unnest(from_json($1, '["VARCHAR"]')) as query)`,
    [JSON.stringify(queries)],
  );
  return queries.map((sql, index) => factsOf(sql, String(trees.rows[index]?.[0]), functions));
}

function factsOf(sql: string, serialized: string, functions: ReadonlyMap<string, boolean>): QueryFacts {
  const tree = JSON.parse(serialized) as Tree;
  if (tree.error === true)
    return { hash: hashOf(sql), relations: [], unstable: "is a statement that the engine cannot describe" };
  const reader: Reader = { functions, relations: [], unstable: null };
  read(tree, new Set(), reader);
  const { relations, unstable } = reader;
  return { hash: hashOf(serialized.replace(/"query_location":\d+,?/g, "")), relations, unstable };
}

function hashOf(text: string): string {
  return hash("sha256", text, "base64url");
}

interface Reader {
  functions: ReadonlyMap<string, boolean>;
  relations: QueryFacts["relations"];
  unstable: string | null;
}

/** `ctes` are the names that stand for queries at this place. */
function read(value: Json | undefined, ctes: ReadonlySet<string>, reader: Reader): void {
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value) read(item, ctes, reader);
    return;
  }
  look(value, ctes, reader);
  let names = value.type === "RECURSIVE_CTE_NODE" ? withName(ctes, value.cte_name) : ctes;
  const { cte_map, ...rest } = value;
  for (const cte of ctesOf(cte_map)) {
    read(cte.value, names, reader);
    names = withName(names, cte.key);
  }
  for (const [key, child] of Object.entries(rest)) {
    // A table function is looked at with its table; its arguments are expressions like others.
    if (key === "function" && value.type === "TABLE_FUNCTION") read((child as Tree).children, names, reader);
    else read(child, names, reader);
  }
}

function withName(names: ReadonlySet<string>, name: Json | undefined): ReadonlySet<string> {
  return new Set([...names, String(name).toLowerCase()]);
}

function ctesOf(cteMap: Json | undefined): Tree[] {
  const map = (cteMap as Tree | undefined)?.map;
  return Array.isArray(map) ? (map as Tree[]) : [];
}

/** What a single part of the tree says. */
function look(part: Tree, ctes: ReadonlySet<string>, reader: Reader): void {
  const note = (why: string) => {
    reader.unstable ??= why;
  };
  if (part.sample !== undefined) note("takes a sample");
  if (part.type === "BASE_TABLE") {
    const { catalog_name: database, schema_name: schema, table_name: name } = part as Record<string, string>;
    if (schema === undefined && database === undefined && ctes.has(String(name).toLowerCase())) return;
    const place = {
      ...(database === undefined ? {} : { database }),
      ...(schema === undefined ? {} : { schema }),
    };
    reader.relations.push({ ...place, name: String(name) });
  } else if (part.type === "TABLE_FUNCTION") {
    const name = String((part.function as Tree | undefined)?.function_name).toLowerCase();
    if (!TABLE_FUNCTIONS.has(name)) note(`reads ${name}()`);
  } else if (part.type === "SHOW_REF") note("describes a relation");
  else if (part.class === "COLUMN_REF") {
    const [word, ...others] = part.column_names as string[];
    if (others.length === 0 && TIME_WORDS.has(String(word).toLowerCase())) note(`uses ${word}`);
  } else if (part.class === "FUNCTION" || part.type === "WINDOW_AGGREGATE")
    lookAtFunction(part, reader, note);
}

function lookAtFunction(part: Tree, { functions }: Reader, note: (why: string) => void): void {
  const name = String(part.function_name).toLowerCase();
  const isBuiltIn =
    BUILT_IN_SCHEMAS.has(String(part.schema ?? "").toLowerCase()) &&
    (functions.has(name) || BINDER_FUNCTIONS.has(name));
  if (!isBuiltIn) note(`uses ${name}(), which is not a function of the engine`);
  else if (functions.get(name) === false || UNSTABLE_FUNCTIONS.has(name)) note(`uses ${name}()`);
}
