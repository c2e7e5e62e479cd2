import { starterWorkflow } from "./starter-workflow.ts";

/** The files of a new project, by their paths. `version` is the release that its checks install. */
export function starterFiles(project: string, version: string): Record<string, string> {
  return {
    "project.yml": `name: ${project}
version: "0.1.0"
profile: ${project}

# Schemas are named as they are written here, without the target's schema before them.
schema_names: exact

models:
  ${project}:
    staging:
      +schema: staging
      +materialized: view
    marts:
      +schema: marts
      +materialized: table

# What readers see after green tests: data/published/latest.duckdb.
publish:
  select: marts
  keep: 5
`,
    "profiles.yml": `${project}:
  target: dev
  outputs:
    dev:
      type: duckdb
      path: data/warehouse.duckdb
      threads: 4
    # Of checks: tables of their own.
    ci:
      type: duckdb
      path: data/ci.duckdb
      threads: 4
`,
    ".gitignore": "data/\n!tests/data/\ntarget/\nnode_modules/\n",
    "macros/cents_to_euros.hbs": `{{!-- arguments: column, digits=2 --}}
round({{column}} / 100.0, {{digits}})
`,
    "models/staging/stg_orders.sql": `-- One row per order: replace the values by your own rows, from a source or a file below this folder.
with orders as (
    select *
    from (
        values
            (1, 'ada', 1250, date '2026-01-05'),
            (2, 'grace', 800, date '2026-01-05'),
            (3, 'ada', 4300, date '2026-01-06')
    ) as received (order_id, customer, amount_cents, ordered_on)
)
select
    order_id,
    customer,
    {{ cents_to_euros('amount_cents') }} as amount,
    ordered_on
from orders
`,
    "models/marts/fct_daily_sales.sql": `-- One row per day on which something was ordered.
with orders as (select * from {{ ref('stg_orders') }})
select
    ordered_on,
    count(*) as order_count,
    count(distinct customer) as customer_count,
    sum(amount) as amount
from orders
group by ordered_on
`,
    "models/schema.yml": `models:
  - name: stg_orders
    description: Orders as they were received, typed.
    columns:
      - name: order_id
        data_tests: [not_null, unique]
      - name: customer
        data_tests: [not_null]
  - name: fct_daily_sales
    description: What was sold, day by day.
    columns:
      - name: ordered_on
        data_tests: [not_null, unique]
unit_tests:
  - name: customers_of_a_day_are_counted_once
    model: fct_daily_sales
    given:
      - input: ref('stg_orders')
        rows:
          - {order_id: 1, customer: ada, amount: 1.50, ordered_on: 2026-01-05}
          - {order_id: 2, customer: ada, amount: 2.00, ordered_on: 2026-01-05}
    expect:
      rows: [{ordered_on: 2026-01-05, order_count: 2, customer_count: 1, amount: 3.50}]
`,
    "tests/data/fct_daily_sales__complete.sql": `-- Every order is counted on its day.
with orders as (select count(*) as n from {{ ref('stg_orders') }}),
sales as (select sum(order_count) as n from {{ ref('fct_daily_sales') }})
select
    orders.n as ordered,
    sales.n as counted
from orders
cross join sales
where orders.n <> sales.n
`,
    ".github/workflows/sillon.yml": starterWorkflow(version),
    "README.md": `# ${project}

    run pipeline                  build the models, test them, publish the marts
    run show fct_daily_sales      look at the result
    run test                      check the models' logic and the claims about the data
    run doctor                    when something does not work

- \`models/\` has the SQL: \`staging/\` cleans, \`marts/\` is what readers see; \`schema.yml\` describes and tests it.
- \`macros/\` has SQL that models share, \`tests/data/\` has claims: queries for the rows that break them.
- \`ingest/sources/\` (not there yet) says what to load from where.
- \`.github/workflows/sillon.yml\` checks every push and pull request on GitHub.
- \`profiles.yml\` says where the tables live; \`data/published/latest.duckdb\` is for readers and is never locked.
`,
  };
}
