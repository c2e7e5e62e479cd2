import { type ProjectError, ProjectErrors } from "../../core/errors.ts";
import type { Graph } from "../graph/nodes.ts";
import { asksFormerRun, type Evaluation, evaluate } from "./evaluate.ts";
import { type Expression, type Origin, parseWords } from "./grammar.ts";
import type { FormerRun } from "./methods.ts";
import { selectorWithSelect, unknownSelector } from "./mistakes.ts";
import { NO_SELECTORS, type Selectors } from "./selectors-file.ts";
import type { IndirectMode } from "./words.ts";

/** What the command line chooses; absent: everything, or the default of selectors.yml. */
export interface SelectionOptions {
  select?: readonly string[];
  exclude?: readonly string[];
  /** A name of selectors.yml. */
  selector?: string;
  /** Which tests come along with a node; `eager` when absent. */
  indirectSelection?: IndirectMode;
  resourceType?: readonly string[];
  excludeResourceType?: readonly string[];
  /** A folder with the artifacts of an earlier run, for `state:`, `result:` and `source_status:`. */
  state?: string;
  /** Criteria that match nothing are warned of instead of refused. */
  allowEmptySelection?: boolean;
}

/** What selection reads besides the graph. */
export interface SelectionSources {
  selectors?: Selectors;
  /** Of `--state`. */
  former?: FormerRun;
  /** Is told what matches nothing when that is allowed. */
  onEmpty?: (mistake: ProjectError) => void;
}

/**
 * Ids of the chosen nodes, tests on them included. A space or a repeated option unites, a comma intersects.
 * Throws ProjectErrors SELECTION_EMPTY, SELECTION_INVALID or SELECTOR_UNKNOWN (exit 2), naming what is near.
 */
export function selectNodes(
  graph: Graph,
  options: SelectionOptions,
  sources: SelectionSources = {},
): Set<string> {
  const errors: ProjectError[] = [];
  const empty: ProjectError[] = [];
  const { byName: selectors } = sources.selectors ?? NO_SELECTORS;
  const expression = chosenExpression(options, sources.selectors ?? NO_SELECTORS, errors);
  const indirect = options.indirectSelection ?? "eager";
  const to: Evaluation = { graph, indirect, selectors, former: sources.former, errors, empty, within: [] };
  const chosen = expression === null ? new Set(graph.nodes.keys()) : evaluate(expression, to).ids;
  const excluded =
    options.exclude === undefined
      ? new Set<string>()
      : evaluate(parseWords(options.exclude, { where: "--exclude", indirect: "eager", errors }), to).ids;
  const refused = options.allowEmptySelection ? errors : [...errors, ...empty];
  if (refused.length > 0) throw new ProjectErrors(refused);
  for (const mistake of empty) sources.onEmpty?.(mistake);
  return ofTypes(
    graph,
    [...chosen].filter((id) => !excluded.has(id)),
    options,
  );
}

/** Null: everything. */
function chosenExpression(
  { select = [], exclude, selector }: SelectionOptions,
  { byName, defaultName }: Selectors,
  errors: ProjectError[],
): Expression | null {
  const origin: Origin = { where: "--select", indirect: null, errors };
  const isGiven = select.some((words) => words.trim() !== "");
  if (selector !== undefined) {
    if (isGiven || exclude !== undefined) errors.push(selectorWithSelect());
    const named = byName.get(selector);
    if (named === undefined) errors.push(unknownSelector(selector, "--selector", [...byName.keys()]));
    return named ?? null;
  }
  if (isGiven) return parseWords(select, origin);
  return (exclude === undefined && defaultName !== null ? byName.get(defaultName) : undefined) ?? null;
}

function ofTypes(
  graph: Graph,
  ids: readonly string[],
  { resourceType, excludeResourceType = [] }: SelectionOptions,
): Set<string> {
  if (resourceType === undefined && excludeResourceType.length === 0) return new Set(ids);
  const isWanted = (kind: string) =>
    (resourceType === undefined || resourceType.includes(kind)) && !excludeResourceType.includes(kind);
  return new Set(ids.filter((id) => isWanted(graph.nodes.get(id)?.kind ?? "")));
}

/** Whether the options ask for what changed or failed since a former run: to choose nothing is then an answer. */
export function dependsOnFormerRun(options: SelectionOptions, selectors: Selectors = NO_SELECTORS): boolean {
  const expression = chosenExpression(options, selectors, []);
  return expression !== null && asksFormerRun(expression, selectors.byName);
}
