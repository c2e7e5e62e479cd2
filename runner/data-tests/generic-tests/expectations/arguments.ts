import { z } from "zod";
import type { Dialect } from "../../../../engines/engine.ts";
import { listOf } from "../dbt.ts";
import { BOUND_MISSING, bound, expression, expressions, needsBound } from "../definition.ts";

/** Which rows a claim is about. */
export const someRows = z.strictObject({ row_condition: expression.optional() });

export const range = someRows.extend({
  min_value: bound.optional(),
  max_value: bound.optional(),
  strictly: z.boolean().default(false),
});

export const rowRange = range.refine(needsBound, BOUND_MISSING);
export const groupBy = expressions.nullable().default([]);

const scalar = z.union([z.string(), z.number(), z.boolean()]);
export const valueSet = someRows.extend({
  value_set: z.array(scalar).min(1),
  quote_values: z.boolean().default(true),
});

export function setOf(dialect: Dialect, set: z.output<typeof valueSet>): string {
  return listOf(dialect, { values: set.value_set, quote: set.quote_values });
}

/** A line with the conditions that are there. */
export function where(...conditions: readonly (string | undefined)[]): string {
  const all = conditions.filter((condition) => condition !== undefined);
  return all.length === 0 ? "" : `\nwhere ${all.map((condition) => `(${condition})`).join(" and ")}`;
}
