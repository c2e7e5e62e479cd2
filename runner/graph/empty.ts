import type { PlacedSql } from "./ephemeral.ts";

/** A relation in which no row is read. */
export function withoutRows(relation: string): string {
  return `(select * from ${relation} where false limit 0)`;
}

/** After a relation these begin the next part of the query; anything else is its alias. */
const CLAUSES =
  "select|where|group|order|having|qualify|window|limit|offset|fetch|sample|tablesample|using|on|join|inner|left|right|full|cross|natural|asof|positional|semi|anti|union|intersect|except|pivot|unpivot|for|returning|at";
const GAP = String.raw`(?:\s|--[^\n]*(?:\n|$)|/\*[\s\S]*?\*/)*`;
const AFTER_FROM = /\b(?:from|join)\s+$/i;
const HAS_ALIAS = new RegExp(`^${GAP}(?!(?:${CLAUSES})\\b)["\\w]`, "i");

/**
 * Gives subqueries that stand for tables the tables' names, so that `table.column` goes on to work. Those with an
 * alias keep it; only what stands right after `from` or `join` is given one.
 */
export function namedLikeTables<Q extends PlacedSql>(query: Q, names: ReadonlyMap<string, string>): Q {
  const ends: { at: number; alias: string }[] = [];
  for (const [subquery, name] of names) {
    for (
      let start = query.sql.indexOf(subquery);
      start >= 0;
      start = query.sql.indexOf(subquery, start + 1)
    ) {
      const at = start + subquery.length;
      if (AFTER_FROM.test(query.sql.slice(0, start)) && !HAS_ALIAS.test(query.sql.slice(at)))
        ends.push({ at, alias: ` as ${name}` });
    }
  }
  if (ends.length === 0) return query;
  ends.sort((one, other) => one.at - other.at);
  let sql = "";
  let done = 0;
  for (const { at, alias } of ends) {
    sql += query.sql.slice(done, at) + alias;
    done = at;
  }
  const origin = (offset: number) => {
    let at = offset;
    for (const end of ends) {
      if (at <= end.at) break;
      at = Math.max(end.at, at - end.alias.length);
    }
    return at;
  };
  return {
    ...query,
    sql: sql + query.sql.slice(done),
    placeOf: (offset: number) => query.placeOf(origin(offset)),
    callOf: (offset: number) => query.callOf?.(origin(offset)),
  };
}
