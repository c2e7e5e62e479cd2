import { z } from "zod";
import { DATE_PARTS } from "../../../engines/engine.ts";
import {
  clause,
  define,
  expression,
  expressions,
  type GenericTestDefinition,
  leading,
} from "./definition.ts";

const datepart = z.string().toLowerCase().pipe(z.enum(DATE_PARTS));

/** How a range has to end where the next one begins. */
const GAPS = { allowed: "<=", not_allowed: "=", required: "<" } as const;

/** Claims about order and time. */
export const SEQUENCE_TESTS: Readonly<Record<string, GenericTestDefinition>> = {
  recency: define({
    on: "model",
    arguments: z.strictObject({
      field: expression,
      datepart,
      interval: z.int(),
      group_by_columns: expressions.default([]),
      ignore_time_component: z.boolean().default(false),
    }),
    sql: ({ dialect, relation }, { field, interval, group_by_columns, ...args }) => {
      const type = args.ignore_time_component ? "date" : "timestamp";
      const threshold = dialect.checks.addTime(dialect.checks.now, {
        count: -interval,
        datepart: args.datepart,
      });
      // Without any value nothing is recent: an empty table breaks the claim.
      return `select *
from (
    select ${leading(group_by_columns)}max(cast(${field} as ${type})) as most_recent, cast(${threshold} as ${type}) as threshold
    from ${relation} as subject${clause("group by", group_by_columns)}
) as latest
where most_recent is null or most_recent < threshold`;
    },
  }),
  sequential_values: define({
    on: "column",
    arguments: z.strictObject({
      interval: z.number().default(1),
      datepart: datepart.optional(),
      group_by_columns: expressions.default([]),
    }),
    sql: ({ dialect, relation, column }, { interval, group_by_columns, ...args }) => {
      const expected =
        args.datepart === undefined
          ? `previous_value + ${interval}`
          : dialect.checks.addTime("cast(previous_value as timestamp)", {
              count: interval,
              datepart: args.datepart,
            });
      const value = args.datepart === undefined ? column : `cast(${column} as timestamp)`;
      const partition = clause("partition by", group_by_columns).trim();
      return `select *
from (
    select ${leading(group_by_columns)}${column}, lag(${column}) over (${partition} order by ${column}) as previous_value
    from ${relation} as subject
    where ${column} is not null
) as followed
where not (${value} = ${expected})`;
    },
  }),
  mutually_exclusive_ranges: define({
    on: "model",
    arguments: z.strictObject({
      lower_bound_column: expression,
      upper_bound_column: expression,
      partition_by: expression.nullable().default(null),
      gaps: z.enum(["allowed", "not_allowed", "required"]).default("allowed"),
      zero_length_range_allowed: z.boolean().default(false),
    }),
    sql: ({ relation }, args) => {
      const { lower_bound_column: lower, upper_bound_column: upper, partition_by } = args;
      const partition = partition_by === null ? "" : `partition by ${partition_by} `;
      const named = partition_by === null ? "" : `${partition_by} as partition_by_col, `;
      const window = `over (${partition}order by ${lower}, ${upper})`;
      return `select *
from (
    select ${named}${lower} as lower_bound, ${upper} as upper_bound, lead(${lower}) ${window} as next_lower_bound,
        lead(1) ${window} is null as is_last_range
    from ${relation} as subject
) as ranges
where not coalesce(lower_bound ${args.zero_length_range_allowed ? "<=" : "<"} upper_bound, false)
    or not (is_last_range or coalesce(upper_bound ${GAPS[args.gaps]} next_lower_bound, false))`;
    },
  }),
};
