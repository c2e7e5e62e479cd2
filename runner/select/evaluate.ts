import type { ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import type { Graph, Node } from "../graph/nodes.ts";
import { type Criterion, criteriaOf, type Expression } from "./grammar.ts";
import { type FormerRun, isOfKind, matchNodes, methodMistake, methodOf } from "./methods.ts";
import { emptySelection, selectorCircle, stateNotGiven, unknownSelector } from "./mistakes.ts";
import type { IndirectMode } from "./words.ts";

export interface Evaluation {
  graph: Graph;
  /** For criteria that do not say it themselves. */
  indirect: IndirectMode;
  selectors: ReadonlyMap<string, Expression>;
  former: FormerRun | undefined;
  /** Wrong calls. */
  errors: ProjectError[];
  /** Criteria that match nothing. */
  empty: ProjectError[];
  /** Selectors that are being evaluated, the outermost first. */
  within: readonly string[];
}

export interface Selected {
  ids: Set<string>;
  /** Tests of which not all that they look at is selected yet, and the mode that waits for it. */
  pending: Map<string, IndirectMode>;
}

export function evaluate(expression: Expression, to: Evaluation): Selected {
  switch (expression.kind) {
    case "criterion":
      return evaluateCriterion(expression, to);
    case "union":
      return complete(unite(expression.parts.map((part) => evaluate(part, to))), to.graph);
    case "difference": {
      const from = evaluate(expression.from, to);
      return complete(subtract(from, evaluate(expression.without, to)), to.graph);
    }
    case "intersection": {
      const parts = expression.parts.map((part) => evaluate(part, to));
      const both = complete(intersect(parts), to.graph);
      const isMistake = both.ids.size === 0 && parts.every(({ ids }) => ids.size > 0);
      if (isMistake && !asksFormerRun(expression, to.selectors))
        to.empty.push(emptySelection(expression.text, expression.where, []));
      return both;
    }
  }
}

/** Whether what it selects depends on a former run, so that nothing is an answer too. */
export function asksFormerRun(
  expression: Expression,
  selectors: ReadonlyMap<string, Expression>,
  within: readonly string[] = [],
): boolean {
  return criteriaOf(expression).some((criterion) => {
    if (criterion.method !== "selector") return methodOf(criterion)?.isOfFormerRun ?? false;
    const named = selectors.get(criterion.value);
    const isNew = named !== undefined && !within.includes(criterion.value);
    return isNew && asksFormerRun(named, selectors, [...within, criterion.value]);
  });
}

function unite(parts: readonly Selected[]): Selected {
  const united: Selected = { ids: new Set(), pending: new Map() };
  for (const { ids, pending } of parts) {
    for (const id of ids) united.ids.add(id);
    for (const [id, mode] of pending) united.pending.set(id, mode);
  }
  return united;
}

function intersect(parts: readonly Selected[]): Selected {
  const isIn = (id: string, { ids, pending }: Selected) => ids.has(id) || pending.has(id);
  const { ids: all, pending } = unite(parts);
  const inAll = [...all, ...pending.keys()].filter((id) => parts.every((part) => isIn(id, part)));
  const ids = new Set(inAll.filter((id) => parts.every((part) => part.ids.has(id))));
  return { ids, pending: new Map(inAll.flatMap((id) => pairOf(pending, id))) };
}

function pairOf(pending: ReadonlyMap<string, IndirectMode>, id: string): [string, IndirectMode][] {
  const mode = pending.get(id);
  return mode === undefined ? [] : [[id, mode]];
}

function subtract(from: Selected, without: Selected): Selected {
  const isLeft = (id: string) => !without.ids.has(id);
  return {
    ids: new Set([...from.ids].filter(isLeft)),
    pending: new Map([...from.pending].filter(([id]) => isLeft(id))),
  };
}

/** Takes in the pending tests whose subjects are all selected by now. */
function complete({ ids, pending }: Selected, graph: Graph): Selected {
  const left = [...pending].filter(([id]) => !ids.has(id));
  if (left.length === 0) return { ids, pending: new Map() };
  const inReach = left.some(([, mode]) => mode === "buildable") ? reachOf(ids, graph) : ids;
  const ready = left.filter(([id, mode]) => isWithin(graph, id, mode === "buildable" ? inReach : ids));
  for (const [id] of ready) ids.add(id);
  return { ids, pending: new Map(left.filter(([id]) => !ids.has(id))) };
}

/** What is selected, all that it needs, and every source. */
function reachOf(ids: ReadonlySet<string>, graph: Graph): Set<string> {
  const reach = new Set(ids);
  addRelated(reach, [...ids], { next: parentsIn(graph), depth: Number.POSITIVE_INFINITY });
  for (const node of graph.nodes.values()) if (node.kind === "source") reach.add(node.id);
  return reach;
}

function isWithin(graph: Graph, id: string, ids: ReadonlySet<string>): boolean {
  return graph.nodes.get(id)?.dependsOn.every((parent) => ids.has(parent)) ?? false;
}

function evaluateCriterion(criterion: Criterion, to: Evaluation): Selected {
  if (criterion.method === "selector") return evaluateSelector(criterion, to);
  return withTests(withRelated(criterion, matchCriterion(criterion, to), to.graph), criterion, to);
}

function matchCriterion(criterion: Criterion, { graph, former, errors, empty }: Evaluation): string[] {
  const method = methodOf(criterion);
  const mistake = methodMistake(criterion);
  if (method === undefined || mistake !== undefined) {
    if (mistake !== undefined) errors.push(mistake);
    return [];
  }
  if (method.isOfFormerRun && former === undefined) {
    errors.push(stateNotGiven(criterion));
    return [];
  }
  const nodes = [...graph.nodes.values()];
  const asked = { criterion, former };
  const matched = matchNodes(nodes, method, asked);
  if (matched.length === 0 && !method.isOfFormerRun) {
    const known =
      criterion.method === "fqn" ? knownNames(nodes) : nodes.flatMap((node) => method.namesOf(node, asked));
    empty.push(emptySelection(criterion.text, criterion.where, nearestLine(criterion.value, known)));
  }
  return matched;
}

/** What a person who names a node may have meant: nodes and their folders, and sources by their method. */
function knownNames(nodes: readonly Node[]): string[] {
  return nodes
    .filter((node) => node.kind !== "test")
    .flatMap((node) =>
      node.kind === "source"
        ? [`source:${node.sourceName}`, `source:${node.sourceName}.${node.name}`]
        : [node.name, ...node.fqn.slice(1, -1)],
    );
}

function evaluateSelector(criterion: Criterion, to: Evaluation): Selected {
  const { value: name, where } = criterion;
  const named = to.selectors.get(name);
  if (named === undefined || to.within.includes(name)) {
    to.errors.push(
      named === undefined
        ? unknownSelector(name, where, [...to.selectors.keys()])
        : selectorCircle([...to.within, name], where),
    );
    return { ids: new Set(), pending: new Map() };
  }
  const selected = evaluate(named, { ...to, within: [...to.within, name] });
  if (criterion.parents === null && criterion.children === null && !criterion.isAround) return selected;
  return withTests(withRelated(criterion, [...selected.ids], to.graph), criterion, to);
}

const parentsIn =
  (graph: Graph) =>
  (id: string): readonly string[] =>
    graph.nodes.get(id)?.dependsOn ?? [];
const childrenIn =
  (graph: Graph) =>
  (id: string): readonly string[] =>
    graph.children.get(id) ?? [];

function withRelated(
  { parents, children, isAround }: Criterion,
  matched: readonly string[],
  graph: Graph,
): Set<string> {
  const all = Number.POSITIVE_INFINITY;
  const selected = new Set(matched);
  if (children !== null || isAround)
    addRelated(selected, matched, { next: childrenIn(graph), depth: children ?? all });
  const parentStart = isAround ? [...selected] : matched;
  if (parents !== null || isAround)
    addRelated(selected, parentStart, { next: parentsIn(graph), depth: isAround ? all : (parents ?? all) });
  return selected;
}

function addRelated(
  selected: Set<string>,
  start: readonly string[],
  { next, depth }: { next: (id: string) => readonly string[]; depth: number },
): void {
  const visited = new Set(start);
  let frontier = [...start];
  for (let step = 0; step < depth && frontier.length > 0; step++) {
    frontier = [...new Set(frontier.flatMap(next))].filter((id) => !visited.has(id));
    for (const id of frontier) {
      visited.add(id);
      selected.add(id);
    }
  }
}

/** The nodes and, as the mode has it, the tests that look at them. */
function withTests(selected: Set<string>, criterion: Criterion, to: Evaluation): Selected {
  const mode = criterion.indirect ?? to.indirect;
  if (mode === "empty") return { ids: selected, pending: new Map() };
  const ids = new Set(selected);
  const pending = new Map<string, IndirectMode>();
  for (const child of [...selected].flatMap(childrenIn(to.graph))) {
    const node = to.graph.nodes.get(child);
    if (node === undefined || !(node.kind === "test" || isOfKind(node, "unit_test"))) continue;
    if (mode === "eager") ids.add(child);
    else if (!ids.has(child)) pending.set(child, mode);
  }
  return complete({ ids, pending }, to.graph);
}
