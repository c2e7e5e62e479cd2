import { z } from "zod";
import type { Dialect } from "../../../engines/engine.ts";
import type { Template } from "../../templates/template.ts";

/** What a generic test's query is made from. All names are quoted for SQL already. */
export interface TestSubject {
  dialect: Dialect;
  /** The relation, or the part of it that `where` leaves. */
  relation: string;
  /** Null when the test is declared on a whole model. */
  column: string | null;
  /** The relation that a `ref('…')` or `source('…')` argument names. */
  resolve: (argument: string) => string;
}

/** How to show that a test's query has no rows without running it. All in SQL. */
export interface Proof {
  /** An aggregate over the test's relation, as `subject`, that is 0 exactly when the query has no rows. */
  count?: string;
  /** Whether the engine knows the aggregate of a whole table without reading its rows. */
  isKnown?: boolean;
  /** A column that must hold no value twice or, with `within`, only values of that other column. */
  keys?: { column: string; within?: { relation: string; column: string } };
}

/** Where a test may be declared. */
export type TestPlace = "column" | "model" | "either";

export interface GenericTestDefinition {
  on: TestPlace;
  arguments: z.ZodObject;
  /** Counts the failures where the number of rows does not. */
  failCalc?: string;
  /** A query for the rows that break the claim. */
  sql(subject: TestSubject, args: Record<string, unknown>): string;
  /** Where the query has a cheaper equal: it counts rows that the query would give. */
  proof?(subject: TestSubject, args: Record<string, unknown>): Proof | undefined;
  /** Of a project's own test: what its SQL is rendered from. */
  template?: Template;
}

type SubjectOn<P extends TestPlace> = P extends "column" ? TestSubject & { column: string } : TestSubject;

export function define<P extends TestPlace, T extends z.ZodObject>(definition: {
  on: P;
  arguments: T;
  failCalc?: string;
  sql(subject: SubjectOn<P>, args: z.output<T>): string;
  proof?(subject: SubjectOn<P>, args: z.output<T>): Proof | undefined;
}): GenericTestDefinition {
  return definition as unknown as GenericTestDefinition; // `sql` is given what `on` and `arguments` allow, see data-test-nodes.ts
}

/** SQL: a column's name or an expression, as the packages take them. */
export const expression = z.string().trim().min(1, "expected SQL");
export const expressions = z.array(expression);
/** A bound: a number, or SQL that yields one. */
export const bound = z.union([z.number(), expression]);

/** Needs one of two bounds; a range without any claims nothing. */
export function needsBound(range: { min_value?: unknown; max_value?: unknown }): boolean {
  return range.min_value !== undefined || range.max_value !== undefined;
}

export const BOUND_MISSING = "expected min_value, max_value or both";

/** The condition that a value lies within its bounds. */
export function withinBounds(
  value: string,
  bounds: { min_value?: string | number | undefined; max_value?: string | number | undefined },
  isInclusive: boolean,
): string {
  const equals = isInclusive ? "=" : "";
  const parts = [
    ...(bounds.min_value === undefined ? [] : [`${value} >${equals} ${bounds.min_value}`]),
    ...(bounds.max_value === undefined ? [] : [`${value} <${equals} ${bounds.max_value}`]),
  ];
  return parts.join(" and ");
}

/** The proof that no row meets a condition. */
export function noRow(condition: string): Proof {
  return { count: `count(*) filter (where ${condition})` };
}

/** The proof that a condition on the whole relation, which may be null, is not met. */
export function notMet(condition: string, isKnown = false): Proof {
  return { count: `cast(case when ${condition} then 1 else 0 end as bigint)`, isKnown };
}

/** `a, b, ` before other columns; nothing when there are none. */
export function leading(columns: readonly string[]): string {
  return columns.map((column) => `${column}, `).join("");
}

/** `clause a, b` on a line of its own; nothing when there are no columns. */
export function clause(keyword: string, columns: readonly string[]): string {
  return columns.length === 0 ? "" : `\n${keyword} ${columns.join(", ")}`;
}

/** A query's `where` line. */
export function onlyRows(condition: string | undefined): string {
  return condition === undefined ? "" : `\nwhere ${condition}`;
}
