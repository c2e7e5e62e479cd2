import { z } from "zod";
import {
  clause,
  define,
  expression,
  expressions,
  type GenericTestDefinition,
  leading,
  onlyRows,
} from "./definition.ts";

const compared = z.strictObject({ compare_model: expression, group_by_columns: expressions.default([]) });

/** Rows of two relations counted side by side, as `in_subject` and `in_other`. */
function bothCounts(relation: string, other: string, columns: readonly string[]): string {
  return `(
    select ${leading(columns)}1 as in_subject, 0 as in_other from ${relation} as subject
    union all
    select ${leading(columns)}0 as in_subject, 1 as in_other from ${other} as other
) as both_sides${clause("group by", columns)}`;
}

/** Claims about a relation and another one. */
export const COMPARISON_TESTS: Readonly<Record<string, GenericTestDefinition>> = {
  equality: define({
    on: "model",
    arguments: z
      .strictObject({
        compare_model: expression,
        compare_columns: expressions.default([]),
        exclude_columns: expressions.default([]),
        precision: z.int().min(0).max(10).optional(),
      })
      .refine(
        ({ compare_columns, exclude_columns }) =>
          compare_columns.length === 0 || exclude_columns.length === 0,
        "expected compare_columns or exclude_columns, not both",
      ),
    failCalc:
      "count(*) + coalesce(abs(count(*) filter (where which_diff = 'a_minus_b') - count(*) filter (where which_diff = 'b_minus_a')), 0)",
    sql: ({ dialect, relation, resolve }, { compare_model, compare_columns, exclude_columns, precision }) => {
      const side = (from: string) => {
        const columns = compare_columns.join(", ");
        const compared = columns === "" ? from : `(select ${columns} from ${from})`;
        return dialect.checks.comparable(compared, { exclude: exclude_columns, precision });
      };
      const [ours, theirs] = [side(relation), side(resolve(compare_model))];
      const minus = (one: string, other: string) =>
        `${one} except select * from (${dialect.checks.inOrderOf(one, other)})`;
      return `select 'a_minus_b' as which_diff, *\nfrom (${minus(ours, theirs)})\nunion all by name\nselect 'b_minus_a' as which_diff, *\nfrom (${minus(theirs, ours)})`;
    },
  }),
  equal_rowcount: define({
    on: "model",
    arguments: compared,
    failCalc: "coalesce(sum(diff_count), 0)",
    sql: ({ relation, resolve }, { compare_model, group_by_columns }) =>
      `select ${leading(group_by_columns)}sum(in_subject) as count_a, sum(in_other) as count_b, abs(sum(in_subject) - sum(in_other)) as diff_count
from ${bothCounts(relation, resolve(compare_model), group_by_columns)}
having sum(in_subject) <> sum(in_other)`,
  }),
  fewer_rows_than: define({
    on: "model",
    arguments: compared,
    failCalc: "coalesce(sum(row_count_delta), 0)",
    sql: ({ relation, resolve }, { compare_model, group_by_columns }) => {
      const [ours, theirs] = ["coalesce(sum(in_subject), 0)", "coalesce(sum(in_other), 0)"];
      return `select ${leading(group_by_columns)}${ours} as count_our_model, ${theirs} as count_comparison_model, greatest(${ours} - ${theirs}, 1) as row_count_delta
from ${bothCounts(relation, resolve(compare_model), group_by_columns)}
having ${ours} >= ${theirs}`;
    },
  }),
  cardinality_equality: define({
    on: "column",
    arguments: z.strictObject({ to: expression, field: expression }),
    sql: ({ dialect, relation, column, resolve }, { to, field }) =>
      `select value, sum(in_subject) as num_rows, sum(in_other) as num_rows_in_other
from (
    select ${column} as value, 1 as in_subject, 0 as in_other from ${relation} as subject
    union all
    select ${dialect.quote(field)} as value, 0 as in_subject, 1 as in_other from ${resolve(to)} as other
) as both_sides
group by value
having sum(in_subject) <> sum(in_other)`,
  }),
  relationships_where: define({
    on: "column",
    arguments: z.strictObject({
      to: expression,
      field: expression,
      from_condition: expression.optional(),
      to_condition: expression.optional(),
    }),
    sql: ({ dialect, relation, column, resolve }, { to, field, from_condition, to_condition }) =>
      `select child.*
from (select * from ${relation} as subject${onlyRows(from_condition)}) as child
left join (select * from ${resolve(to)} as other${onlyRows(to_condition)}) as parent on parent.${dialect.quote(field)} = child.${column}
where child.${column} is not null and parent.${dialect.quote(field)} is null`,
  }),
};
