import type { Age, Freshness, SourceNode } from "../graph/nodes.ts";
import type { FreshnessInput } from "../project/yaml-parts.ts";

interface Loading {
  freshness?: FreshnessInput | null | undefined;
  loaded_at_field?: string | null | undefined;
  loaded_at_query?: string | null | undefined;
}

type Declared = Loading & { config: Loading };

/** How fresh a table has to be: what the table says wins over its source, `freshness: null` switches it off. */
export function freshnessOf(
  source: Declared,
  table: Declared,
): Pick<SourceNode, "freshness" | "loadedAtField" | "loadedAtQuery"> {
  const levels = [source, source.config, table, table.config];
  const { loadedAtField, loadedAtQuery } = loadedAt(levels);
  return { freshness: mergeFreshness(levels), loadedAtField, loadedAtQuery };
}

/** The nearest of the two decides: a table with a field does not use its source's query. */
function loadedAt(levels: readonly Loading[]): {
  loadedAtField: string | null;
  loadedAtQuery: string | null;
} {
  const nearest = levels.findLast(
    ({ loaded_at_field, loaded_at_query }) => (loaded_at_field ?? loaded_at_query ?? null) !== null,
  );
  return {
    loadedAtField: nearest?.loaded_at_field ?? null,
    loadedAtQuery: nearest?.loaded_at_query ?? null,
  };
}

function mergeFreshness(levels: readonly Loading[]): Freshness | null {
  let merged: Freshness | null = null;
  for (const { freshness } of levels) {
    if (freshness === null) merged = null;
    else if (freshness !== undefined) merged = merge(merged, freshness);
  }
  return merged === null || (merged.warnAfter ?? merged.errorAfter) === null ? null : merged;
}

function merge(former: Freshness | null, given: FreshnessInput): Freshness {
  const nearer = (age: Age | null | undefined, fallback: Age | null | undefined) =>
    age === undefined ? (fallback ?? null) : age;
  return {
    warnAfter: nearer(given.warn_after, former?.warnAfter),
    errorAfter: nearer(given.error_after, former?.errorAfter),
    filter: given.filter === undefined ? (former?.filter ?? null) : given.filter,
  };
}
