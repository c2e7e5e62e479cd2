import { resolve } from "node:path";
import { EXIT, ProjectError } from "../core/errors.ts";
import type { CompileScope } from "../runner/graph/compile.ts";
import type { Graph, Node } from "../runner/graph/nodes.ts";
import { dependsOnFormerRun, type SelectionOptions, selectNodes } from "../runner/select/select.ts";
import { loadSelectors, type Selectors } from "../runner/select/selectors-file.ts";
import { openFormerRun } from "../runner/select/state.ts";
import { presentState } from "../runner/to-artifacts/manifest.ts";
import type { Workspace } from "./workspace.ts";

/** What the command line chooses, of the kind that the command runs. */
export interface GraphSelection extends SelectionOptions {
  kind?: Node["kind"];
  /** Nothing is an answer, as long as every name exists. */
  mayBeEmpty?: boolean;
}

/** Ids of the nodes that a command works on. Throws what is wrong with the selection (exit 2). */
export function chooseNodes(
  workspace: Workspace,
  scope: CompileScope,
  selection: GraphSelection,
): Set<string> {
  const { ctx, folders, cwd } = workspace;
  const selectors = loadSelectors(ctx);
  const selected = selectNodes(scope.graph, selection, {
    selectors,
    ...(selection.state === undefined
      ? {}
      : {
          former: openFormerRun(resolve(cwd, selection.state), {
            state: () => presentState(scope),
            target: folders.target,
          }),
        }),
    onEmpty: ({ where, message }) => ctx.log.warn("selection_empty", `${where}  ${message}`),
  });
  checkSelection(scope.graph, selected, { selection, selectors });
  const { only } = workspace;
  return only === undefined ? selected : new Set([...selected].filter((id) => only.has(id)));
}

/** A selection that leaves nothing of the kind that a command runs is a mistake, as one that matches nothing. */
function checkSelection(
  graph: Graph,
  selected: ReadonlySet<string>,
  { selection, selectors }: { selection: GraphSelection; selectors: Selectors },
): void {
  const { kind, allowEmptySelection, mayBeEmpty } = selection;
  const given = givenOptions(selection);
  if (given.length === 0 || allowEmptySelection || mayBeEmpty) return;
  const kindOf = (id: string) => graph.nodes.get(id)?.kind;
  // A command that tests runs unit tests, too.
  const isWanted = (id: string) =>
    kind === undefined || kindOf(id) === kind || (kind === "test" && kindOf(id) === "unit_test");
  if ([...selected].some(isWanted) || dependsOnFormerRun(selection, selectors)) return;
  throw new ProjectError("SELECTION_EMPTY", {
    message: `the selection leaves no ${kind ?? "node"}`,
    where: given.join(" "),
    hint: "select more, or exclude less; --allow-empty-selection makes it exit 0",
    exitCode: EXIT.usage,
  });
}

function givenOptions(selection: GraphSelection): string[] {
  const { select, exclude, selector, resourceType, excludeResourceType } = selection;
  const all: [string, readonly string[] | undefined][] = [
    ["--select", select],
    ["--exclude", exclude],
    ["--selector", selector === undefined ? undefined : [selector]],
    ["--resource-type", resourceType],
    ["--exclude-resource-type", excludeResourceType],
  ];
  return all.flatMap(([option, words]) => (words ?? []).map((word) => `${option} ${word}`));
}
