/**
 * How far the distributions of two sides are apart, by kind and measure, as SQL. `samples` is a query of `kind, measure,
 * side` (reference or current), `number` or `category`, and `n`, how often it was seen.
 *
 * Numbers are cut where the reference has its tenths; of categories the nine most frequent ones of the reference stand
 * for themselves, all else is `other`; a null is `none`. With `e` and `a` the shares of a bin in reference and current:
 * - Population stability index (N. Siddiqi, Credit Risk Scorecards, 2006): the sum of `(a - e) * ln(a / e)`. Half a
 *   sample is added to each bin, so that an empty one stays finite.
 * - Jensen-Shannon distance (J. Lin 1991; a metric by Endres and Schindelin 2003): the root of the mean of the
 *   divergences of `e` and `a` from `m = (e + a) / 2`, with base 2: from 0, the same, to 1, nothing in common.
 *
 * Yields a row a bin: `kind, measure, bin, reference, current` (counts), `part` (of the PSI), and, the same for all of
 * its bins, `psi, distance, reference_samples, current_samples`.
 */
export function divergenceQuery(samples: string): string {
  return `with samples as (${samples}),
grown as (
  select kind, measure, number, sum(n) over (partition by kind, measure order by number) as grown,
    sum(n) over (partition by kind, measure) as total
  from samples where side = 'reference' and number is not null
),
edges as (
  select distinct kind, measure, upper
  from (
    select kind, measure, steps.step, min(number) as upper
    from grown
    inner join (values ${STEPS}) as steps (step) on grown.grown * 10 >= steps.step * grown.total
    group by kind, measure, steps.step
  ) as tenths
),
amounts as (
  select kind, measure, side, number, sum(n) as n
  from samples where number is not null group by kind, measure, side, number
),
bounded as (
  select amounts.kind, amounts.measure, amounts.side, amounts.number, amounts.n,
    max(case when edges.upper < amounts.number then edges.upper end) as above,
    min(case when edges.upper >= amounts.number then edges.upper end) as until
  from amounts
  left join edges on edges.kind = amounts.kind and edges.measure = amounts.measure
  group by amounts.kind, amounts.measure, amounts.side, amounts.number, amounts.n
),
ranked as (
  select kind, measure, category,
    row_number() over (partition by kind, measure order by sum(n) desc, category) as place
  from samples where side = 'reference' and category is not null
  group by kind, measure, category
),
binned as (
  select kind, measure, side, n, above, until,
    case
      when above is null and until is null then 'all'
      when above is null then 'up to ' || ${shortNumber("until")}
      when until is null then 'above ' || ${shortNumber("above")}
      else 'above ' || ${shortNumber("above")} || ' to ' || ${shortNumber("until")}
    end as bin
  from bounded
  union all
  select samples.kind, samples.measure, samples.side, samples.n, null, null,
    case when samples.category is null then 'none' when ranked.place < 10 then samples.category else 'other' end
  from samples
  left join ranked
    on ranked.kind = samples.kind and ranked.measure = samples.measure and ranked.category = samples.category
  where samples.number is null
),
bins as (
  select kind, measure, bin,
    cast(coalesce(sum(n) filter (where side = 'reference'), 0) as double) as reference,
    cast(coalesce(sum(n) filter (where side = 'current'), 0) as double) as current
  from binned group by kind, measure, bin, above, until
),
totals as (
  select kind, measure, sum(reference) as reference_samples, sum(current) as current_samples, count(*) as bins
  from bins group by kind, measure
),
shares as (
  select bins.*, totals.reference_samples, totals.current_samples,
    (bins.reference + 0.5) / (totals.reference_samples + 0.5 * totals.bins) as expected,
    (bins.current + 0.5) / (totals.current_samples + 0.5 * totals.bins) as actual,
    bins.reference / nullif(totals.reference_samples, 0) as e,
    bins.current / nullif(totals.current_samples, 0) as a
  from bins
  inner join totals on totals.kind = bins.kind and totals.measure = bins.measure
),
parts as (
  select shares.*, (actual - expected) * ln(actual / expected) as part,
    case when e > 0 then 0.5 * e * log2(2 * e / (e + a)) else 0 end
      + case when a > 0 then 0.5 * a * log2(2 * a / (e + a)) else 0 end as divergence
  from shares
)
select kind, measure, bin, reference, current, part,
  sum(part) over (partition by kind, measure) as psi,
  sqrt(greatest(0, sum(divergence) over (partition by kind, measure))) as distance,
  reference_samples, current_samples
from parts
order by kind, measure, part desc, bin`;
}

const STEPS = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((step) => `(${step})`).join(", ");

function shortNumber(number: string): string {
  return `cast(round(cast(${number} as double), 3) as varchar)`;
}

/** How much a PSI says by the usual convention (Siddiqi 2006): below 0.1, up to 0.25, and from there on. */
export const DEGREES = ["none", "moderate", "severe"] as const;
export type Degree = (typeof DEGREES)[number];

export function degreeOf(psi: number): Degree {
  return psi < 0.1 ? "none" : psi < 0.25 ? "moderate" : "severe";
}

/** The milder one. */
export function milder(one: Degree, other: Degree): Degree {
  return DEGREES.indexOf(one) < DEGREES.indexOf(other) ? one : other;
}

export function isAtLeast(degree: Degree, least: Degree): boolean {
  return DEGREES.indexOf(degree) >= DEGREES.indexOf(least);
}
